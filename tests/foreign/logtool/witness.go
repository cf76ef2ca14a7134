package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A cosigning is a witness of one log; it forgets everything when it ends.
type cosigning struct {
	log    note.Verifier
	key    cosigner
	mutex  sync.Mutex
	newest tlog.Tree
}

func witness(arguments []string) error {
	flags := flag.NewFlagSet("witness", flag.ExitOnError)
	name := flags.String("name", "witness.example/foreign", "the witness's name")
	key := flags.String("log", "", "the log's verifier key")
	flags.Parse(arguments)
	log, err := note.NewVerifier(*key)
	if err != nil {
		return fmt.Errorf("-log: %w", err)
	}
	cosigner, vkey, err := newCosigner(*name)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(vkey)
	fmt.Printf("http://%s/\n", listener.Addr())
	handler := http.NewServeMux()
	handler.Handle("/add-checkpoint", &cosigning{log: log, key: cosigner})
	return http.Serve(listener, handler)
}

func (c *cosigning) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	head, data, ok := bytes.Cut(body, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	old, wrong := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if err != nil || !ok || wrong != nil {
		http.Error(w, "no request", http.StatusBadRequest)
		return
	}
	proof := tlog.TreeProof{}
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		proof = append(proof, hash)
	}
	checkpoint, err := openCheckpoint(data, c.log)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if old != c.newest.N {
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintln(w, c.newest.N)
		return
	}
	if err := c.grown(checkpoint.Tree, proof); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	signed, err := note.Sign(&note.Note{Text: checkpoint.note.Text}, c.key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	c.newest = checkpoint.Tree
	_, lineOfMine, _ := bytes.Cut(signed, []byte("\n\n"))
	w.Write(lineOfMine)
}

// grown says whether a tree continues the one that was cosigned last.
func (c *cosigning) grown(tree tlog.Tree, proof tlog.TreeProof) error {
	if c.newest.N == 0 {
		if len(proof) != 0 {
			return fmt.Errorf("a proof from the empty tree is empty")
		}
		return nil
	}
	if tree.N == c.newest.N {
		if tree.Hash != c.newest.Hash || len(proof) != 0 {
			return fmt.Errorf("another tree of the same size")
		}
		return nil
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, c.newest.N, c.newest.Hash)
}
