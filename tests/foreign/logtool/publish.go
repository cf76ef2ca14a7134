package main

import (
	"crypto/rand"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// publish makes a log that grows to each of the sizes, with all its tiles and bundles, and
// keeps the checkpoint of each size as checkpoint.SIZE.
func publish(arguments []string) error {
	flags := flag.NewFlagSet("publish", flag.ExitOnError)
	origin := flags.String("origin", "example.org/foreign", "the log's name")
	sizes := flags.String("sizes", "1", "where the log has checkpoints, ascending")
	flags.Parse(arguments)
	root := flags.Arg(0)
	secret, key, err := note.GenerateKey(rand.Reader, *origin)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return err
	}
	var stored memory
	var entries [][]byte
	for _, word := range strings.Split(*sizes, ",") {
		size, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return err
		}
		old := int64(len(entries))
		for n := old; n < size; n++ {
			entry := []byte(fmt.Sprintf("entry %d of %s", n, *origin))
			if err := stored.add(n, entry); err != nil {
				return err
			}
			entries = append(entries, entry)
		}
		if err := write(root, old, size, entries, stored); err != nil {
			return err
		}
		hash, err := tlog.TreeHash(size, stored)
		if err != nil {
			return err
		}
		text := formatCheckpoint(*origin, tlog.Tree{N: size, Hash: hash})
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			return err
		}
		for _, name := range []string{"checkpoint." + word, "checkpoint"} {
			if err := save(root, name, signed); err != nil {
				return err
			}
		}
	}
	fmt.Println(key)
	return nil
}

// write publishes what a tree of this size has: full tiles, and the last partial ones.
func write(root string, old, size int64, entries [][]byte, reader tlog.HashReader) error {
	for _, tile := range tilesOf(old, size) {
		data, err := tlog.ReadTileData(tile, reader)
		if err != nil {
			return err
		}
		if err := save(root, c2sp(tile), data); err != nil {
			return err
		}
		if tile.L > 0 {
			continue
		}
		var bundle []byte
		for _, entry := range entries[tile.N<<height : tile.N<<height+int64(tile.W)] {
			bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(entry)))
			bundle = append(bundle, entry...)
		}
		tile.L = -1
		if err := save(root, c2sp(tile), bundle); err != nil {
			return err
		}
	}
	return nil
}

func save(root, path string, data []byte) error {
	place := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	return os.WriteFile(place, data, 0o644)
}
