// A server that accepts the API key in the file api-key of the volume: the new one as soon as it has been rotated.
package main

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

func main() {
	var apiKey atomic.Pointer[[32]byte]
	directory := cmp.Or(os.Getenv("SECRETS"), "/mnt/secrets-store")
	err := followSecrets(directory, 5*time.Second, func(files map[string][]byte) error {
		value, found := files["api-key"]
		if !found {
			return errors.New("the volume has no file api-key")
		}
		sum := sha256.Sum256(value)
		apiKey.Store(&sum)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		sent := sha256.Sum256([]byte(strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")))
		status := http.StatusUnauthorized
		if subtle.ConstantTimeCompare(sent[:], apiKey.Load()[:]) == 1 {
			status = http.StatusNoContent
		}
		response.WriteHeader(status)
	})
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("HOST"), "0.0.0.0")+":"+cmp.Or(os.Getenv("PORT"), "8080"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on port", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}
