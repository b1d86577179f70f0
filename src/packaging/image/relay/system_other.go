//go:build !windows

package main

import (
	"io/fs"
	"net"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

func listenPrivately(path string) (net.Listener, error) {
	defer syscall.Umask(syscall.Umask(0o077))
	return net.Listen("unix", path)
}

func mayBeSocket(stat fs.FileInfo) bool {
	return stat.Mode()&fs.ModeSocket != 0
}
