package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"sort"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type list []string

func (l *list) String() string { return fmt.Sprint(*l) }

func (l *list) Set(value string) error { *l = append(*l, value); return nil }

// An inclusion is one entry, proved.
type inclusion struct {
	Index int64            `json:"index"`
	Size  int64            `json:"size"`
	Leaf  tlog.Hash        `json:"leaf"`
	Proof tlog.RecordProof `json:"proof"`
}

// A consistency is one tree that grew into another, proved.
type consistency struct {
	Old   int64          `json:"old"`
	Size  int64          `json:"size"`
	Proof tlog.TreeProof `json:"proof"`
}

type report struct {
	Origin       string           `json:"origin"`
	Size         int64            `json:"size"`
	Root         tlog.Hash        `json:"root"`
	Cosignatures map[string]int64 `json:"cosignatures"`
	Unverified   []string         `json:"unverified"`
	Entries      int64            `json:"entries"`
	Tiles        int              `json:"tiles"`
	Inclusion    []inclusion      `json:"inclusion"`
	Consistency  []consistency    `json:"consistency"`
}

func read(arguments []string) error {
	flags := flag.NewFlagSet("read", flag.ExitOnError)
	key := flags.String("log", "", "the log's verifier key")
	every := flags.Int64("every", 1, "prove every N-th entry")
	random := flags.Int("random", 0, "and so many entries at random")
	var witnesses, kept list
	flags.Var(&witnesses, "witness", "a witness's verifier key")
	flags.Var(&kept, "kept", "a file with an older checkpoint")
	flags.Parse(arguments)
	log, err := note.NewVerifier(*key)
	if err != nil {
		return fmt.Errorf("-log: %w", err)
	}
	times := make([]int64, len(witnesses))
	var cosigners []note.Verifier
	for i, vkey := range witnesses {
		cosigner, err := parseCosigner(vkey, &times[i])
		if err != nil {
			return fmt.Errorf("-witness: %w", err)
		}
		cosigners = append(cosigners, cosigner)
	}
	files := source(flags.Arg(0))
	data, err := files.get("checkpoint")
	if err != nil {
		return err
	}
	newest, err := openCheckpoint(data, log, cosigners...)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	found := report{Origin: log.Name(), Size: newest.N, Root: newest.Hash, Cosignatures: map[string]int64{}}
	for i, cosigner := range cosigners {
		if times[i] != 0 {
			found.Cosignatures[cosigner.Name()] = times[i]
		}
	}
	for _, signature := range newest.note.UnverifiedSigs {
		found.Unverified = append(found.Unverified, signature.Name)
	}
	heads := []checkpoint{newest}
	for _, path := range kept {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		head, err := openCheckpoint(data, log, cosigners...)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		heads = append(heads, head)
	}
	sort.Slice(heads, func(i, j int) bool { return heads[i].N < heads[j].N })
	tiles := &tileReader{source: files}
	if err := found.entries(files, newest, tlog.TileHashReader(newest.Tree, tiles), *every, *random); err != nil {
		return err
	}
	if err := found.consistencies(heads, tiles); err != nil {
		return err
	}
	found.Tiles = tiles.read
	return json.NewEncoder(os.Stdout).Encode(found)
}

// entries hashes all entries, compares them with the tree, and proves some of them.
func (r *report) entries(files source, head checkpoint, tree tlog.HashReader, every int64, random int) error {
	leaves, err := r.leaves(files, head, tree)
	if err != nil {
		return err
	}
	wanted := map[int64]bool{}
	for i := 0; i < random && head.N > 0; i++ {
		wanted[rand.Int63n(head.N)] = true
	}
	for n, leaf := range leaves {
		index := int64(n)
		if index%every != 0 && !wanted[index] {
			continue
		}
		proof, err := tlog.ProveRecord(head.N, index, tree)
		if err != nil {
			return fmt.Errorf("proof of entry %d: %w", index, err)
		}
		if err := tlog.CheckRecord(proof, head.N, head.Hash, index, leaf); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		r.Inclusion = append(r.Inclusion, inclusion{index, head.N, leaf, proof})
	}
	return nil
}

// leaves are the hashes of all entries: those that the tree has, whose root is the
// checkpoint's, and from which all tiles can be made again.
//
// Everything is made again here, because tlog.TileHashReader is not enough: up to
// golang.org/x/mod 0.7 at least it leaves some full tiles unchecked, where several of the
// hashes under the root stand in one tile. A proof made from those does not hold.
func (r *report) leaves(files source, head checkpoint, tree tlog.HashReader) ([]tlog.Hash, error) {
	var leaves []tlog.Hash
	var made memory
	for n := int64(0); n<<height < head.N; n++ {
		entries, err := files.entries(n, head.N)
		if err != nil {
			return nil, err
		}
		var places []int64
		for i := range entries {
			places = append(places, tlog.StoredHashIndex(0, n<<height+int64(i)))
		}
		published, err := tree.ReadHashes(places)
		if err != nil {
			return nil, fmt.Errorf("hashes of bundle %d: %w", n, err)
		}
		for i, entry := range entries {
			leaf := tlog.RecordHash(entry)
			if leaf != published[i] {
				return nil, fmt.Errorf("entry %d is not the one that the tree has", r.Entries)
			}
			if err := made.add(r.Entries, entry); err != nil {
				return nil, err
			}
			leaves = append(leaves, leaf)
			r.Entries++
		}
	}
	root, err := tlog.TreeHash(head.N, made)
	if err != nil || root != head.Hash {
		return nil, fmt.Errorf("the entries do not lead to the checkpoint's root: %v", err)
	}
	for _, tile := range tilesOf(0, head.N) {
		expected, err := tlog.ReadTileData(tile, made)
		if err != nil {
			return nil, err
		}
		found, err := files.part(c2sp(tile))
		if err != nil {
			return nil, err
		}
		if len(found) < len(expected) || !bytes.Equal(found[:len(expected)], expected) {
			return nil, fmt.Errorf("%s does not hold the hashes of its entries", c2sp(tile))
		}
	}
	return leaves, nil
}

// consistencies proves that each of these trees grew into every later one, from the tiles
// that were published with the later one.
func (r *report) consistencies(heads []checkpoint, tiles *tileReader) error {
	for i, newer := range heads {
		reader := tlog.TileHashReader(newer.Tree, tiles)
		for _, older := range heads[:i] {
			if older.N == 0 {
				continue // every tree grows from the empty one
			}
			proof, err := tlog.ProveTree(newer.N, older.N, reader)
			if err != nil {
				return fmt.Errorf("proof from %d to %d: %w", older.N, newer.N, err)
			}
			if err := tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash); err != nil {
				return fmt.Errorf("the tree of %d did not grow into that of %d: %w", older.N, newer.N, err)
			}
			r.Consistency = append(r.Consistency, consistency{older.N, newer.N, proof})
		}
	}
	return nil
}
