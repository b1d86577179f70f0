package main

import (
	"bufio"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The program connects to a port of 127.0.0.1. The first line of each connection begins with a secret that only the program
// knows, and names what the connection is for:
//
//	SECRET control       lines in both directions, until either end closes it; then all sockets are closed
//	SECRET accept ID     a connection that came in on a socket
//	SECRET dial PATH     a new connection to a socket: a line "ok" or "error REASON", then its bytes
//
// Lines of control, from the program: "listen PATH", "close PATH". To it: "listening PATH", "failed PATH<TAB>REASON",
// "incoming ID PATH", "stop".
const (
	maxLine       = 4096
	firstLineTime = 5 * time.Second
	// For the program to take a connection that has come in.
	acceptTime = 10 * time.Second
	// Connections that have not shown the secret yet.
	maxStrangers = 64
)

type relay struct {
	listener  net.Listener
	secret    string
	strangers chan struct{}
	// Closed when the program is to end.
	stopping chan struct{}

	mutex    sync.Mutex
	nextID   int
	incoming map[string]net.Conn
}

func newRelay() (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &relay{
		listener:  listener,
		secret:    randomHex(32),
		strangers: make(chan struct{}, maxStrangers),
		stopping:  make(chan struct{}),
		incoming:  map[string]net.Conn{},
	}, nil
}

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	rand.Read(random) // never fails: crypto/rand
	return hex.EncodeToString(random)
}

// address is what the program needs to connect: PORT:SECRET.
func (r *relay) address() string {
	return fmt.Sprintf("%d:%s", r.listener.Addr().(*net.TCPAddr).Port, r.secret)
}

func (r *relay) close() { r.listener.Close() }

func (r *relay) serve() {
	for {
		connection, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(100 * time.Millisecond) // out of handles, for example
			continue
		}
		select {
		case r.strangers <- struct{}{}:
			go r.greet(connection)
		default:
			connection.Close()
		}
	}
}

func (r *relay) greet(connection net.Conn) {
	connection.SetDeadline(time.Now().Add(firstLineTime))
	line, err := readLine(connection)
	connection.SetDeadline(time.Time{})
	<-r.strangers
	secret, request, _ := strings.Cut(line, " ")
	if err != nil || subtle.ConstantTimeCompare([]byte(secret), []byte(r.secret)) != 1 {
		connection.Close()
		return
	}
	verb, argument, _ := strings.Cut(request, " ")
	switch verb {
	case "control":
		r.control(connection)
	case "accept":
		if other := r.take(argument); other != nil {
			join(connection, other)
		} else {
			connection.Close()
		}
	case "dial":
		dial(connection, argument)
	default:
		connection.Close()
	}
}

// readLine reads byte by byte, because what follows the line is not ours to read.
func readLine(from io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < maxLine {
		if _, err := io.ReadFull(from, one); err != nil {
			return "", err
		}
		if one[0] == '\n' {
			return string(line), nil
		}
		line = append(line, one[0])
	}
	return "", errors.New("line too long")
}

// join copies in both directions until either side ends; HTTP/2 has no half-closed connections.
func join(one, other net.Conn) {
	var once sync.Once
	end := func() { once.Do(func() { one.Close(); other.Close() }) }
	go func() { io.Copy(one, other); end() }()
	io.Copy(other, one)
	end()
}

func dial(connection net.Conn, path string) {
	socket, err := net.DialTimeout("unix", nativePath(path), firstLineTime)
	if err != nil {
		fmt.Fprintf(connection, "error %s\n", oneLine(err))
		connection.Close()
		return
	}
	if _, err := io.WriteString(connection, "ok\n"); err != nil {
		socket.Close()
		connection.Close()
		return
	}
	join(connection, socket)
}

// control answers the program's requests and reports connections until the connection ends.
func (r *relay) control(connection net.Conn) {
	var mutex sync.Mutex
	send := func(format string, words ...any) {
		mutex.Lock()
		defer mutex.Unlock()
		fmt.Fprintf(connection, format+"\n", words...)
	}
	sockets := map[string]net.Listener{}
	ended := make(chan struct{})
	defer close(ended)
	defer connection.Close()
	go func() {
		select {
		case <-r.stopping:
			send("stop")
		case <-ended:
		}
	}()
	defer func() {
		for _, socket := range sockets {
			socket.Close() // which removes its file
		}
	}()
	lines := bufio.NewScanner(connection)
	lines.Buffer(make([]byte, maxLine), maxLine)
	for lines.Scan() {
		verb, path, _ := strings.Cut(lines.Text(), " ")
		if socket := sockets[path]; socket != nil {
			socket.Close()
			delete(sockets, path)
		}
		if verb != "listen" {
			continue
		}
		socket, err := listen(nativePath(path))
		if err != nil {
			send("failed %s\t%s", path, oneLine(err))
			continue
		}
		sockets[path] = socket
		send("listening %s", path)
		go r.accept(socket, func(id string) { send("incoming %s %s", id, path) })
	}
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }

func (r *relay) accept(socket net.Listener, report func(id string)) {
	for {
		connection, err := socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		report(r.keep(connection))
	}
}

// keep holds a connection until the program takes it, or for acceptTime.
func (r *relay) keep(connection net.Conn) string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.nextID++
	id := fmt.Sprint(r.nextID)
	r.incoming[id] = connection
	time.AfterFunc(acceptTime, func() {
		if late := r.take(id); late != nil {
			late.Close()
		}
	})
	return id
}

func (r *relay) take(id string) net.Conn {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	connection := r.incoming[id]
	delete(r.incoming, id)
	return connection
}

// listen opens a socket in place of the one of a process that has ended.
func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if stat, err := os.Lstat(path); err == nil {
		if !mayBeSocket(stat) {
			return nil, errors.New("there is something that is not a socket; remove it")
		}
		if other, err := net.DialTimeout("unix", path, firstLineTime); err == nil {
			other.Close()
			return nil, errors.New("another process answers on this socket")
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return listenPrivately(path)
}
