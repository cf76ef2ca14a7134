// Logtool is a client, a log and a witness of C2SP formats that shares no code with Sailau.
//
// Notes are opened and signed, tiles are read and authenticated, and proofs are made and
// checked by golang.org/x/mod/sumdb, the packages that watch over Go's own modules. Only
// what those do not have is here: where C2SP puts the tiles, entry bundles, cosignatures.
//
//	logtool read -log VKEY [-witness VKEY]... [-kept FILE]... [-every N] [-random N] URL|DIR
//	logtool publish -origin NAME -sizes N,N,... DIR
//	logtool witness -name NAME -log VKEY
//
// Read prints what it found as JSON and ends with 1, and the reason, if anything is wrong.
// Publish makes a log of its own and prints its verifier key. Witness answers
// add-checkpoint on a free port of the loopback and prints its verifier key and its URL.
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{"read": read, "publish": publish, "witness": witness}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: logtool read|publish|witness ...")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "logtool:", err)
		os.Exit(1)
	}
}
