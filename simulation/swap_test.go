package simulation

import (
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/params"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// blockOf returns a block on its way to a hop, nil if the message is something else.
func blockOf(m proto.Message) []byte {
	block, ok := m.(*sottov1.ContributeRequest).GetMessage().(*sottov1.ContributeRequest_Block)
	if !ok {
		return nil
	}
	return block.Block
}

func blockMessage(block []byte) proto.Message {
	return &sottov1.ContributeRequest{Message: &sottov1.ContributeRequest_Block{Block: block}}
}

// atBlock returns a verdict that changes the block of that index, on its way to a hop.
func atBlock(index int, change func(block []byte) []proto.Message) verdict {
	return func(m message) ([]proto.Message, error) {
		if block := blockOf(m.body); block != nil && m.at == index+1 {
			return change(slices.Clone(block)), nil
		}
		return []proto.Message{m.body}, nil
	}
}

// TestBlocksBetweenHops guards the blocks between two hops (attacks 3 and 5): left out, doubled, in another order, altered
// in a bit, weighted, too short, too long, out of range, or of another session, alone or all with their hand-over. The
// next hop aborts before it shows anything, the question fails, and nobody is charged.
func TestBlocksBetweenHops(t *testing.T) {
	c := start(t, setup{seed: 60})
	earlier := recordBlocks(c)
	c.answered(c.everybody())
	recorded := earlier()
	before := c.charges()
	set := parametersOf(c)
	var held proto.Message
	for _, attack := range []struct {
		name   string
		tamper verdict
		text   string
		long   bool // runs only then
	}{
		{"one left out", atBlock(100, func([]byte) []proto.Message { return nil }), "a message among the blocks of bank that is not a block", false},
		{"one twice", atBlock(100, func(b []byte) []proto.Message { return []proto.Message{blockMessage(b), blockMessage(b)} }), "hand-over from bank", true},
		{"two in another order", func(m message) ([]proto.Message, error) {
			switch m.at {
			case 11:
				held = m.body
				return nil, nil
			case 12:
				return []proto.Message{m.body, held}, nil
			}
			return []proto.Message{m.body}, nil
		}, "what arrived is not what bank sent", false},
		{"a bit", atBlock(3, func(b []byte) []proto.Message {
			b[7] ^= 1
			return []proto.Message{blockMessage(b)}
		}), "what arrived is not what bank sent", true},
		{"a weight", atBlock(64, func(b []byte) []proto.Message {
			double := func(q uint64, x []uint64) uint64 { return 2 * x[0] % q }
			half := len(b) / 2
			return []proto.Message{blockMessage(append(combine(set, double, b[:half]), combine(set, double, b[half:])...))}
		}), "what arrived is not what bank sent", false},
		{"one of another session", atBlock(5, func([]byte) []proto.Message { return []proto.Message{blockMessage(recorded[5])} }), "what arrived is not what bank sent", true},
		{"all of another session", func(m message) ([]proto.Message, error) {
			if m.at == 0 {
				return []proto.Message{m.body}, nil
			}
			if m.at <= blocks {
				return []proto.Message{blockMessage(recorded[m.at-1])}, nil
			}
			return []proto.Message{&sottov1.ContributeRequest{Message: &sottov1.ContributeRequest_HandOver{HandOver: recordedHandOver(recorded)}}}, nil
		}, "hand-over of bank is of another session", false},
		{"a short one", atBlock(0, func(b []byte) []proto.Message { return []proto.Message{blockMessage(b[:len(b)-1])} }), "bytes, must be", false},
		{"a long one", atBlock(0, func(b []byte) []proto.Message { return []proto.Message{blockMessage(append(b, 0))} }), "bytes, must be", false},
		{"an empty one", atBlock(0, func([]byte) []proto.Message { return []proto.Message{blockMessage(nil)} }), "a block of bank has 0 bytes", false},
		{"one out of range", atBlock(1, func(b []byte) []proto.Message {
			for i := range 8 {
				b[i] = 0xff
			}
			return []proto.Message{blockMessage(b)}
		}), "block 1 of bank", false},
		{"a message that says nothing", atBlock(2, func([]byte) []proto.Message { return []proto.Message{&sottov1.ContributeRequest{}} }), "not a block", false},
		{"a second start", atBlock(2, func([]byte) []proto.Message {
			return []proto.Message{&sottov1.ContributeRequest{Message: &sottov1.ContributeRequest_Start{Start: &sottov1.ContributeStart{}}}}
		}), "not a block", false},
		{"no hand-over", func(m message) ([]proto.Message, error) {
			if m.at == blocks+1 {
				return []proto.Message{&sottov1.ContributeRequest{}}, nil
			}
			return []proto.Message{m.body}, nil
		}, "hand-over from bank", true},
	} {
		if attack.long && !long {
			continue
		}
		t.Run(attack.name, func(t *testing.T) {
			fired := c.tap.on(to, "cinema", "Contribute", attack.tamper)
			_, err := c.ask(c.everybody())
			if fired() == 0 {
				t.Fatal("nothing was tampered with")
			}
			failed(t, err, fault.Protocol, "cinema")
			refused(t, err, fault.Protocol, attack.text)
		})
		c.tap.clear()
		c.tidy()
	}
	if after := c.charges(); after["bank"] != before["bank"] || after["cinema"] != before["cinema"] {
		t.Errorf("charges went from %v to %v", before, after)
	}
}

// recordBlocks keeps what bank sends in the next question: blocks, then the body and signature of the hand-over.
func recordBlocks(c *cluster) func() [][]byte {
	var mu sync.Mutex
	var all [][]byte
	c.tap.on(from, "bank", "Contribute", watching(func(m message) {
		mu.Lock()
		defer mu.Unlock()
		if m.at > blocks {
			return
		}
		r := m.body.(*sottov1.ContributeResponse)
		if r.GetHandOver() == nil {
			all = append(all, r.GetBlock())
		} else {
			all = append(all, r.GetHandOver().Body, r.GetHandOver().Signature)
		}
	}))
	return func() [][]byte {
		c.tap.clear()
		mu.Lock()
		defer mu.Unlock()
		if len(all) != blocks+2 {
			c.Fatalf("%d messages were recorded", len(all))
		}
		return all
	}
}

func recordedHandOver(recorded [][]byte) *sottov1.Signed {
	return &sottov1.Signed{Body: recorded[blocks], Signature: recorded[blocks+1]}
}

// parametersOf returns the encryption parameters of the question about everybody.
func parametersOf(c *cluster) params.Set {
	q, _ := c.question(c.everybody())
	return c.conduct(q).plan.Params
}

// TestMessagesOnTheWay guards everything else that passes between coordinator and parties (attacks 3 and 5): each message
// is altered, emptied, or replaced by the same message of an earlier session, and each time the question fails, at the
// node that received it or the next that checks, and no answer comes out that is not the true one.
func TestMessagesOnTheWay(t *testing.T) {
	c := start(t, setup{seed: 61})
	type place struct {
		node, method string
		inward       bool
	}
	places := []place{
		{"bank", "Prepare", to},
		{"cinema", "Prepare", from},
		{"cinema", "Open", to},
		{"bank", "Open", from},
		{"bank", "Agree", to},
		{"cinema", "Agree", from},
		{"bank", "Contribute", to},
		{"cinema", "Release", to},
		{"bank", "Release", from},
	}
	earlier := map[place]proto.Message{}
	var mu sync.Mutex
	for _, p := range places {
		c.tap.on(p.inward, p.node, p.method, watching(func(m message) {
			if m.at == 0 {
				mu.Lock()
				defer mu.Unlock()
				earlier[p] = proto.Clone(m.body)
			}
		}))
	}
	c.answered(c.everybody())
	c.tap.clear()
	attacks := map[string]func(p place, m message) proto.Message{
		"of an earlier session": func(p place, _ message) proto.Message { return earlier[p] },
		"empty":                 func(_ place, m message) proto.Message { return m.body.ProtoReflect().New().Interface() },
		"altered": func(_ place, m message) proto.Message {
			if r, ok := m.body.(*sottov1.PrepareRequest); ok { // its session is any number that the coordinator likes
				return &sottov1.PrepareRequest{Session: r.Session, Query: flipped(r.Query, 97).(*sottov1.Signed)}
			}
			return flipped(m.body, 97)
		},
	}
	for name, change := range attacks {
		for _, p := range places {
			if !long && p.method == "Release" && name != "of an earlier session" {
				continue // each costs a whole question
			}
			fired := c.tap.on(p.inward, p.node, p.method, func(m message) ([]proto.Message, error) {
				if m.at > 0 {
					return []proto.Message{m.body}, nil
				}
				return []proto.Message{change(p, m)}, nil
			})
			a, err := c.ask(c.everybody())
			if fired() == 0 {
				t.Fatalf("%s %s: nothing was tampered with", p.node, p.method)
			}
			switch {
			case err == nil:
				t.Errorf("%s of %s (to it: %v), %s: it was answered with %v", p.method, p.node, p.inward, name, a.Cells)
			case fault.IsKind(err, fault.Internal):
				t.Errorf("%s of %s (to it: %v), %s: an internal error: %v", p.method, p.node, p.inward, name, err)
			}
			c.tap.clear()
			c.tidy()
		}
	}
}

// flipped returns a copy of a message with one bit flipped, in the encoded bytes that it carries.
func flipped(m proto.Message, bit int) proto.Message {
	encoded, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		at := (bit/8 + 13*i) % len(encoded)
		encoded[at] ^= 1 << (bit % 8)
		changed := m.ProtoReflect().New().Interface()
		if proto.Unmarshal(encoded, changed) == nil && !proto.Equal(m, changed) && len(changed.ProtoReflect().GetUnknown()) == 0 {
			return changed
		}
		encoded[at] ^= 1 << (bit % 8)
	}
}
