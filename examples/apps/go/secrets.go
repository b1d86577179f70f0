package main

import (
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"time"
)

// readSecrets returns all files of a mounted volume, of one and the same version: names and bytes.
func readSecrets(directory string) (map[string][]byte, error) {
	link := filepath.Join(directory, "..data")
	for {
		version, err := os.Readlink(link)
		if err != nil {
			return nil, err
		}
		files, failed := readAll(os.DirFS(filepath.Join(directory, version)))
		now, err := os.Readlink(link)
		if err != nil {
			return nil, err
		}
		if now == version {
			return files, failed
		}
		// Replaced while it was read: read the next one.
	}
}

func readAll(version fs.FS) (map[string][]byte, error) {
	files := map[string][]byte{}
	return files, fs.WalkDir(version, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[name], err = fs.ReadFile(version, name)
		}
		return err
	})
}

// followSecrets calls use with the secrets now, and again after each rotation. It fails if they cannot be read or used now.
func followSecrets(directory string, every time.Duration, use func(map[string][]byte) error) error {
	link := filepath.Join(directory, "..data")
	version, err := os.Readlink(link)
	if err != nil {
		return err
	}
	load := func() error {
		files, err := readSecrets(directory)
		if err != nil {
			return err
		}
		return use(files)
	}
	if err := load(); err != nil {
		return err
	}
	go func() {
		for range time.Tick(every) {
			found, err := os.Readlink(link)
			if err == nil && found != version {
				if err = load(); err == nil {
					version = found
				}
			}
			if err != nil {
				log.Print("the new secrets cannot be used, the old ones stay in use: ", err)
			}
		}
	}()
	return nil
}
