package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const cosignatureType = 4

// A cosigner verifies (and with a private key makes) signatures of type 04.
type cosigner struct {
	name    string
	id      uint32
	public  ed25519.PublicKey
	private ed25519.PrivateKey
	seen    *int64 // where to put the time of a good signature
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.id }

func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	seconds := binary.BigEndian.Uint64(signature)
	good := ed25519.Verify(c.public, cosigned(text, seconds), signature[8:])
	if good && c.seen != nil {
		*c.seen = int64(seconds)
	}
	return good
}

func (c cosigner) Sign(text []byte) ([]byte, error) {
	now := uint64(time.Now().Unix())
	signature := binary.BigEndian.AppendUint64(nil, now)
	return append(signature, ed25519.Sign(c.private, cosigned(text, now))...), nil
}

func cosigned(text []byte, seconds uint64) []byte {
	return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", seconds)), text...)
}

func keyID(name string, key []byte) uint32 {
	digest := sha256.Sum256(append([]byte(name+"\n"), key...))
	return binary.BigEndian.Uint32(digest[:])
}

// newCosigner makes a witness's key.
func newCosigner(name string) (cosigner, string, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	key := append([]byte{cosignatureType}, public...)
	id := keyID(name, key)
	vkey := fmt.Sprintf("%s+%08x+%s", name, id, base64.StdEncoding.EncodeToString(key))
	return cosigner{name: name, id: id, public: public, private: private}, vkey, err
}

// parseCosigner reads a verifier key of type 04, which note.NewVerifier does not know.
func parseCosigner(vkey string, seen *int64) (cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return cosigner{}, fmt.Errorf("%q is no verifier key", vkey)
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != cosignatureType {
		return cosigner{}, fmt.Errorf("%q is no key of a witness", vkey)
	}
	id := keyID(parts[0], key)
	if fmt.Sprintf("%08x", id) != parts[1] {
		return cosigner{}, fmt.Errorf("the key id of %q is not that of its key", vkey)
	}
	return cosigner{name: parts[0], id: id, public: key[1:], seen: seen}, nil
}

// A checkpoint is an opened note.
type checkpoint struct {
	tlog.Tree
	note *note.Note
}

// openCheckpoint needs the log's signature; others count as far as their keys are known.
func openCheckpoint(data []byte, log note.Verifier, others ...note.Verifier) (checkpoint, error) {
	opened, err := note.Open(data, note.VerifierList(append(others, log)...))
	if err != nil {
		return checkpoint{}, err
	}
	signed := false
	for _, signature := range opened.Sigs {
		signed = signed || signature.Name == log.Name() && signature.Hash == log.KeyHash()
	}
	if !signed {
		return checkpoint{}, fmt.Errorf("the log has not signed")
	}
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != log.Name() {
		return checkpoint{}, fmt.Errorf("the checkpoint is of %q", origin)
	}
	// Size and root are written as Go's checksum database writes them.
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + rest))
	return checkpoint{tree, opened}, err
}

// formatCheckpoint is the text that a log signs.
func formatCheckpoint(origin string, tree tlog.Tree) string {
	text := tlog.FormatTree(tree)
	return origin + string(text[bytes.IndexByte(text, '\n'):])
}
