package protocol_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/sotto-dev/sotto/internal/protocol"
)

// Guards the hashes that all nodes must compute alike. The vectors were computed from the written-down encoding (package
// canon) by another implementation: length-prefixed domain, then the fields.
func TestGoldenHashes(t *testing.T) {
	var transcript [32]byte
	for i := range transcript {
		transcript[i] = byte(i)
	}
	one, two := [32]byte(bytes.Repeat([]byte{0x11}, 32)), [32]byte(bytes.Repeat([]byte{0x22}, 32))
	stream := protocol.NewStreamHash(transcript, 2, 1)
	empty := stream.Sum()
	for _, block := range []string{"block 0", "", "block 2"} {
		stream.Add([]byte(block))
	}
	for name, c := range map[string]struct {
		got  [32]byte
		want string
	}{
		"commitment":   {protocol.CommitmentHash(transcript, "bank", []byte("share"), one), "7040a2cb8a762024ae68ecbe3c5ab1831a753c79cb93e8b7125763fc1eb1490d"},
		"salt":         {protocol.Salt(transcript, [][32]byte{one, two}), "b13ec3783ffea38ccab2dc5a09e681142b2536e8e5e0f64331c8b9cf8b9989f9"},
		"public key":   {protocol.PublicKeyHash(transcript, []byte("sum")), "c3f869594a633074a5918ae111b407b67f8e6bb40f63aa52c6a6861b259835b2"},
		"empty stream": {empty, "b7b7ba8599b20df85be814819a5a14b2337a5a9679212a91497ea96e85ad24cb"},
		"stream":       {stream.Sum(), "f7d78f88b52c0db0a9752446e63d74b732357b7f596999cb2b5f47731cb4dede"},
		"commitments": {
			protocol.CommitmentsHash([]protocol.Commitment{{transcript, "bank", one}, {transcript, "coordinator", two}}),
			"84b29f6fb9a3192998832957197b49443c5a148bc7bd011cbe0b14bb94a56e2f",
		},
		"hand-overs": {protocol.HandOversHash([]protocol.HandOver{{
			Transcript: transcript, PublicKey: one, Party: "bank", Hop: 1, In: two,
			Results: []protocol.Result{{C1: one, C0: [][]byte{{5}, {6, 7}}}, {C1: two, C0: [][]byte{{8}}}},
		}}), "0895eca1815c23bc256ebfede3c72e23c6a2d5b0a27b1ed9e77172d9b0754cb1"},
	} {
		if got := hex.EncodeToString(c.got[:]); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Every input of a hash changes it, and no border between inputs can be moved: nobody opens a commitment to something
// else, and no stream of blocks passes for one that was cut differently, or for that of another hop.
func TestHashesBindTheirInputs(t *testing.T) {
	seen := map[[32]byte]string{}
	once := func(name string, hash [32]byte) {
		if other, ok := seen[hash]; ok {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[hash] = name
	}
	var a, b [32]byte
	b[31] = 1
	once("commitment", protocol.CommitmentHash(a, "bank", []byte("share"), a))
	once("commitment of another transcript", protocol.CommitmentHash(b, "bank", []byte("share"), a))
	once("commitment of another", protocol.CommitmentHash(a, "shop", []byte("share"), a))
	once("commitment, border moved", protocol.CommitmentHash(a, "banks", []byte("hare"), a))
	once("commitment to another share", protocol.CommitmentHash(a, "bank", []byte("sharf"), a))
	once("commitment under another nonce", protocol.CommitmentHash(a, "bank", []byte("share"), b))
	once("salt", protocol.Salt(a, [][32]byte{a, b}))
	once("salt, reordered", protocol.Salt(a, [][32]byte{b, a}))
	once("salt of another transcript", protocol.Salt(b, [][32]byte{a, b}))
	once("salt of fewer", protocol.Salt(a, [][32]byte{a}))
	results := func(c0 ...[][]byte) [32]byte {
		h := protocol.HandOver{Transcript: a, Party: "bank"}
		for _, lanes := range c0 {
			h.Results = append(h.Results, protocol.Result{C0: lanes})
		}
		return protocol.HandOversHash([]protocol.HandOver{h})
	}
	once("one result", results([][]byte{{1, 2}}))
	once("one result of two lanes", results([][]byte{{1}, {2}}))
	once("two results", results([][]byte{{1}}, [][]byte{{2}}))
	once("a lane without a number", results([][]byte{{1, 2}, {}}))
	once("no hand-over", protocol.HandOversHash(nil))
	once("public key", protocol.PublicKeyHash(a, []byte("sum")))
	once("public key of another transcript", protocol.PublicKeyHash(b, []byte("sum")))
	for name, blocks := range map[string][]string{
		"none": nil, "an empty one": {""}, "two": {"ab", "c"}, "two cut elsewhere": {"a", "bc"}, "one": {"abc"}, "swapped": {"c", "ab"},
	} {
		for at, start := range map[string]*protocol.StreamHash{
			"": protocol.NewStreamHash(a, 0, 0), " of another session": protocol.NewStreamHash(b, 0, 0),
			" of another chain": protocol.NewStreamHash(a, 1, 0), " of another hop": protocol.NewStreamHash(a, 0, 1),
		} {
			for _, block := range blocks {
				start.Add([]byte(block))
			}
			once("blocks: "+name+at, start.Sum())
		}
	}
}
