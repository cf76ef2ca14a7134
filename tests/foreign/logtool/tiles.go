package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

var errNotThere = errors.New("there is no such file")

// A source reads published files, from a directory or over HTTP.
type source string

func (s source) get(path string) ([]byte, error) {
	if !strings.HasPrefix(string(s), "http") {
		data, err := os.ReadFile(filepath.Join(string(s), path))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", path, errNotThere)
		}
		return data, err
	}
	answer, err := http.Get(strings.TrimSuffix(string(s), "/") + "/" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%s: %w", path, errNotThere)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

// part reads a partial tile or bundle, or where a log has deleted it the full one.
func (s source) part(path string) ([]byte, error) {
	data, err := s.get(path)
	if whole, _, partial := strings.Cut(path, ".p/"); partial && errors.Is(err, errNotThere) {
		return s.get(whole)
	}
	return data, err
}

// c2sp is where tlog-tiles puts what Go's checksum database has at tile/8/L/N.
func c2sp(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

// A tileReader is what tlog.TileHashReader reads with; it asked for `read` tiles.
type tileReader struct {
	source
	read int
}

func (t *tileReader) Height() int { return height }

func (t *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

func (t *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		data, err := t.part(c2sp(tile))
		if err != nil {
			return nil, err
		}
		if len(data) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", c2sp(tile), len(data))
		}
		found = append(found, data[:tile.W*tlog.HashSize])
		t.read++
	}
	return found, nil
}

// entries are those of bundle n of a log of `size` entries.
func (s source) entries(n, size int64) ([][]byte, error) {
	tile := tlog.Tile{H: height, L: -1, N: n, W: 1 << height}
	if size-n<<height < 1<<height {
		tile.W = int(size - n<<height)
	}
	data, err := s.part(c2sp(tile))
	var found [][]byte
	for err == nil && len(found) < tile.W {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s breaks off in entry %d", c2sp(tile), len(found))
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		found, data = append(found, data[2:end]), data[end:]
	}
	return found, err
}

// memory holds the hashes of a tree, in the order of tlog.StoredHashIndex.
type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, index := range indexes {
		found = append(found, m[index])
	}
	return found, nil
}

func (m *memory) add(n int64, entry []byte) error {
	hashes, err := tlog.StoredHashes(n, entry, *m)
	*m = append(*m, hashes...)
	return err
}

// tilesOf are the tiles that a tree has and did not have at its old size, each as wide as
// it has become.
func tilesOf(old, size int64) []tlog.Tile {
	var found []tlog.Tile
	for _, tile := range tlog.NewTiles(height, old, size) {
		if last := len(found) - 1; last >= 0 && found[last].L == tile.L && found[last].N == tile.N {
			found = found[:last]
		}
		found = append(found, tile)
	}
	return found
}
