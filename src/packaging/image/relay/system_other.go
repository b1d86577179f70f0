//go:build !windows

package main

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
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

// nativePath is the path below Wine's drives of a path of Windows: tests run the Windows programs there, and this one outside.
func nativePath(path string) string {
	prefix := os.Getenv("WINEPREFIX")
	if prefix == "" || len(path) < 2 || path[1] != ':' {
		return path
	}
	drive, err := filepath.EvalSymlinks(filepath.Join(prefix, "dosdevices", strings.ToLower(path[:2])))
	if err != nil {
		return path
	}
	return filepath.Join(drive, strings.ReplaceAll(path[2:], `\`, "/"))
}
