// What gopkg.in/macaroon.v2 costs. The first line of the input holds the tokens as JSON; every line after it is "verify <count>" or
// "mint <count>", and is answered with the processor time that this took, in nanoseconds.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"syscall"

	"gopkg.in/macaroon.v2"
)

type token struct {
	Text       string
	RootKey    []byte
	Identifier []byte
	Location   string
	Caveats    []string
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(make([]byte, 1<<20), 1<<20)
	if !input.Scan() {
		return
	}
	var tokens []token
	must(json.Unmarshal(input.Bytes(), &tokens))
	for _, each := range tokens {
		verify(each)
		if mint(each) != each.Text {
			panic("another token was minted")
		}
	}
	fmt.Println("ready")
	for input.Scan() {
		var work string
		var count int
		_, err := fmt.Sscanf(input.Text(), "%s %d", &work, &count)
		must(err)
		before := processorNs()
		for i := 0; i < count; i++ {
			if each := tokens[i%len(tokens)]; work == "mint" {
				mint(each)
			} else {
				verify(each)
			}
		}
		fmt.Println(processorNs() - before)
	}
}

// From base64 to a signature that holds. No condition is looked into.
func verify(each token) {
	bytes, err := base64.StdEncoding.DecodeString(each.Text)
	must(err)
	var read macaroon.Macaroon
	must(read.UnmarshalBinary(bytes))
	must(read.Verify(each.RootKey, holds, nil))
}

func holds(string) error { return nil }

// From a root key to base64.
func mint(each token) string {
	made, err := macaroon.New(each.RootKey, each.Identifier, each.Location, macaroon.V2)
	must(err)
	for _, caveat := range each.Caveats {
		must(made.AddFirstPartyCaveat([]byte(caveat)))
	}
	bytes, err := made.MarshalBinary()
	must(err)
	return base64.StdEncoding.EncodeToString(bytes)
}

func processorNs() int64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
