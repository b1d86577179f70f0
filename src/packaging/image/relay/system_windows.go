package main

import (
	"io/fs"
	"net"
	"syscall"
)

// Without a console the program does not get the event of a container's end, at which it would be ended at once.
const detachedProcess = 0x8

func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: detachedProcess}
}

// The rights of a socket's file are those that its directory passes on.
func listenPrivately(path string) (net.Listener, error) {
	return net.Listen("unix", path)
}

// Windows shows a socket as a file of one kind or another, depending on its version.
func mayBeSocket(stat fs.FileInfo) bool {
	return !stat.IsDir() && stat.Size() == 0
}

func nativePath(path string) string { return path }
