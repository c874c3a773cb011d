package simulation

import (
	"context"
	"os"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// copyOf returns what a party's ledger is made of; the party must be down.
func (p *partyNode) copyOf() map[string][]byte {
	p.cluster.Helper()
	files := map[string][]byte{}
	for _, path := range []string{p.path, p.path + "-head"} {
		content, err := os.ReadFile(path)
		p.cluster.must(err)
		files[path] = content
	}
	return files
}

// putBack restarts a party with other files for its ledger.
func (p *partyNode) putBack(files map[string][]byte) {
	p.cluster.Helper()
	p.stop()
	for path, content := range files {
		p.cluster.must(os.WriteFile(path, content, 0o600))
	}
	p.restart()
	p.cluster.back()
}

// TestOlderLedger guards against a ledger that was put back from an older copy, and would spend again what is spent: the
// coordinator shows the party its own latest release, of a longer ledger. From then on the party says why and takes part in
// nothing, whoever asks, whatever the coordinator shows it later, and again after a restart; the others lose nothing. Where
// a coordinator kept that to itself for a while, so that the old copy was written on, it is noticed all the same. With the
// latest copy, all is well.
func TestOlderLedger(t *testing.T) {
	c := start(t, setup{parties: 3, analysts: 2, seed: 150})
	bank := c.party("bank")
	q := client.Question{Total: []string{"bank.member", "cinema.gold"}}
	c.answered(q)
	bank.stop()
	old := bank.copyOf()
	bank.restart()
	c.back()
	c.answered(q)
	bank.stop()
	latest := bank.copyOf()
	bank.putBack(old)

	refuses := func(when, why string) {
		t.Helper()
		before := c.charges()
		for _, analyst := range c.analysts {
			for _, q := range []client.Question{q, {Total: []string{"bank.gold", "florist.gold"}, Epsilon: 0.1}} {
				_, err := ask(analyst, filled(q))
				if failed(t, err, fault.Unavailable, "bank"); err != nil {
					refused(t, err, fault.Unavailable, "the ledger can't be spent from: "+why)
				}
			}
		}
		c.tidy()
		for name, after := range c.charges() {
			if after != before[name] {
				t.Errorf("%s: %s was charged %v more", when, name, after-before[name])
			}
		}
		c.answered(client.Question{Total: []string{"cinema.gold", "florist.gold"}}) // without bank
	}
	hide := func() {
		c.tap.on(to, "bank", "Prepare", as(func(r *sottov1.PrepareRequest) { r.LastRelease = nil }))
	}
	refuses("with an older copy", "it has 2 rows, but 4 are known to have been written")
	hide()
	refuses("when the coordinator shows nothing any more", "it has 2 rows, but 4 are known")
	c.tap.clear()
	bank.stop()
	bank.restart()
	c.back()
	refuses("after a restart", "it has 2 rows, but 4 are known")

	bank.putBack(old)
	hide()
	c.answered(q) // nobody on that machine can know
	c.tap.clear()
	refuses("when the older copy was written on", "its row 4 is not the one that is known to have been written")

	bank.putBack(latest)
	c.answered(q)
	if charged := bank.charged(); charged != 30 {
		t.Errorf("bank was charged %v in all, must be 30", charged)
	}
}

// TestForgedLastRelease guards a party against a coordinator that shows it a last release that is none of its own: another
// party's, an altered one, one that the coordinator has signed, in the party's name or its own. That is no reason to refuse
// anything but this question: it proves nothing about the ledger.
func TestForgedLastRelease(t *testing.T) {
	c := start(t, setup{seed: 151})
	q := client.Question{Total: []string{"bank.member", "cinema.gold"}}
	var mu sync.Mutex
	last := map[string]*sottov1.Signed{} // as the coordinator has it
	for _, name := range []string{"bank", "cinema"} {
		c.tap.on(from, name, "Release", watching(func(m message) {
			mu.Lock()
			defer mu.Unlock()
			last[m.node] = proto.Clone(m.body.(*sottov1.ReleaseResponse).GetRelease().GetRelease()).(*sottov1.Signed)
		}))
	}
	c.answered(q)
	c.tap.clear()
	longer := func(holder string, key string) *sottov1.Signed {
		var body protocol.Release
		c.must(canon.Decode(body.Domain(), last["bank"].Body, &body))
		body.KeyHolder, body.LedgerRows, body.LedgerHash = holder, 1000, [32]byte{1}
		return protocol.Sign(c.keys[key], &body)
	}
	for name, shown := range map[string]*sottov1.Signed{
		"cinema's":                              last["cinema"],
		"altered":                               flipped(last["bank"], 97).(*sottov1.Signed),
		"without a signature":                   {Body: last["bank"].Body},
		"empty":                                 {},
		"the coordinator's in its own name":     longer(agreement.CoordinatorName, agreement.CoordinatorName),
		"the coordinator's in the bank's name":  longer("bank", agreement.CoordinatorName),
		"cinema's in the bank's name":           longer("bank", "cinema"),
		"something else that the bank has said": c.described("bank"),
	} {
		c.tap.on(to, "bank", "Prepare", as(func(r *sottov1.PrepareRequest) { r.LastRelease = shown }))
		_, err := c.ask(q)
		if failed(t, err, fault.Protocol, "bank"); err != nil {
			refused(t, err, fault.Protocol, "sotto/v1/release from bank")
		}
		c.tap.clear()
		if _, err := c.ask(client.Question{Total: q.Total, Epsilon: 0.1}); err != nil {
			t.Errorf("after one that is %s, a question is refused: %v", name, err)
		}
	}
}

// described is what a party has signed of itself.
func (c *cluster) described(name string) *sottov1.Signed {
	c.Helper()
	response, err := c.party(name).dial().Describe(context.Background(), &sottov1.DescribeRequest{})
	c.must(err)
	return response.GetDescriptor_()
}
