// Command relay is the entry point of the Windows image. It starts the program that its arguments name and is that program's
// access to Unix sockets: kubelet and providers use them, and Node.js on Windows has none.
// docs/decisions/0015-unix-sockets-on-windows.md
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// How long the program may take to end after it was asked to; kubelet's grace is 30 s.
const grace = 25 * time.Second

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: relay PROGRAM [ARGUMENT…]: runs the program and opens Unix sockets for it")
		os.Exit(2)
	}
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "relay: %v\n", err)
		code = 1
	}
	os.Exit(code)
}

func run(command []string) (int, error) {
	relay, err := newRelay()
	if err != nil {
		return 0, err
	}
	defer relay.close()
	go relay.serve()

	path, directory := program(command[0])
	child := exec.Command(path, command[1:]...)
	child.Dir = directory
	child.Env = append(os.Environ(), "KEYMOUNT_RELAY="+relay.address())
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = childAttributes()
	if err := child.Start(); err != nil {
		return 0, err
	}
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	go end(stop, relay, child)
	err = child.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}

// end asks the program to stop through its control connection: Windows has no signal for that.
func end(stop context.Context, relay *relay, child *exec.Cmd) {
	<-stop.Done()
	close(relay.stopping)
	time.Sleep(grace)
	child.Process.Kill()
}

// program is the path of a program that may lie beside this one, and then the directory of both: where the image's files are, wherever
// its container starts.
func program(name string) (path, directory string) {
	if filepath.Base(name) != name {
		return name, ""
	}
	own, err := os.Executable()
	if err != nil {
		return name, ""
	}
	directory = filepath.Dir(own)
	if _, err := os.Stat(filepath.Join(directory, name)); err != nil {
		return name, ""
	}
	return filepath.Join(directory, name), directory
}
