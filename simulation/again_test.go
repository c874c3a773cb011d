package simulation

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// newNonce is the same question signed anew.
func newNonce(q *query.Query) *query.Query {
	again := *q
	again.Nonce = protocol.NewSession()
	return &again
}

// TestSecondShare guards that a session opens once (attack 4). Whatever is asked after a release, whether the same again,
// other ciphertexts, or nothing sensible at all, before a restart of the node and after, the stored bytes come back: two
// shares for two ciphertexts of one key would let their noise be taken off.
func TestSecondShare(t *testing.T) {
	c := start(t, setup{seed: 50})
	q, _ := c.question(c.everybody())
	k := c.conduct(q)
	k.prepareAll()
	c.must(k.contribute())
	first, err := k.release("bank", k.handOvers(), k.results())
	c.must(err)
	foreign := slices.Clone(k.results()[0])
	foreign[5] ^= 1
	again := func(when string) {
		t.Helper()
		for name, ask := range map[string]func() (*sottov1.SealedRelease, error){
			"the same":   func() (*sottov1.SealedRelease, error) { return k.release("bank", k.handOvers(), k.results()) },
			"another c1": func() (*sottov1.SealedRelease, error) { return k.release("bank", k.handOvers(), [][]byte{foreign}) },
			"a block of a hop": func() (*sottov1.SealedRelease, error) {
				return k.release("bank", nil, [][]byte{k.streams[0][3].GetBlock()})
			},
			"nothing, in short": func() (*sottov1.SealedRelease, error) { return k.release("bank", nil, nil) },
		} {
			second, err := ask()
			if err != nil || !proto.Equal(first, second) {
				t.Errorf("%s, asked for %s: not the stored bytes, %v", when, name, err)
			}
		}
	}
	again("at once")
	_, err = k.parties["bank"].Forget(context.Background(), &sottov1.ForgetRequest{Session: k.id[:]})
	c.must(err)
	again("when it was forgotten")
	bank := c.party("bank")
	bank.crash()
	bank.restart()
	k.parties["bank"] = bank.dial()
	again("after a crash")
	if charged := bank.charged(); charged != 10 {
		t.Errorf("bank was charged %v, must be 10", charged)
	}
	k.forget()
	if charged := c.party("cinema").charged(); charged != 0 {
		t.Errorf("cinema has released nothing and was charged %v", charged)
	}
}

// TestForeignShare guards that a party opens only what the last hop signed as its result (attacks 3 and 4), all of it and
// in order: another's c1, a block on its way to open a hop before the last, results left out or repeated, hand-overs left
// out, of another session, or altered. A session that was asked for such a thing is dead.
func TestForeignShare(t *testing.T) {
	c := start(t, setup{seed: 51})
	body := c.everybody()
	body.By = []string{"cinema.band"}
	q, _ := c.question(body)
	var k, other *conductor // this session, and the one before it
	attacks := []struct {
		name    string
		prepare func(k *conductor) (handOvers []*sottov1.Signed, results [][]byte)
		text    string
	}{
		{"a block of the first hop", func(k *conductor) ([]*sottov1.Signed, [][]byte) {
			block := k.streams[0][0].GetBlock()
			return k.handOvers(), [][]byte{block[:len(block)/2], k.results()[1], k.results()[2]}
		}, "result 0 is not the one"},
		{"two cells swapped", func(k *conductor) ([]*sottov1.Signed, [][]byte) {
			r := k.results()
			return k.handOvers(), [][]byte{r[1], r[0], r[2]}
		}, "result 0 is not the one"},
		{"a c1 of another session", func(k *conductor) ([]*sottov1.Signed, [][]byte) {
			return k.handOvers(), append(k.results()[:1:1], other.results()[1:]...)
		}, "result 1 is not the one that cinema signed"},
		{"all of another session", func(*conductor) ([]*sottov1.Signed, [][]byte) { return other.handOvers(), other.results() }, "hand-over of bank is of another session"},
		{"a hand-over too few", func(k *conductor) ([]*sottov1.Signed, [][]byte) { return k.handOvers()[1:], k.results() }, "there are 1 hand-overs"},
		{"no signature", func(k *conductor) ([]*sottov1.Signed, [][]byte) {
			h := k.handOvers()
			h[1] = &sottov1.Signed{Body: h[1].Body, Signature: bytes.Repeat([]byte{0}, 64)}
			return h, k.results()
		}, "hand-over from cinema is not signed"},
		// A dishonest party may sign what it likes; the others see that it does not fit.
		{"a last hop that got something else", func(k *conductor) ([]*sottov1.Signed, [][]byte) {
			h := k.handOvers()
			h[1] = c.resigned("cinema", h[1], func(b *protocol.HandOver) { b.In[0]++ })
			return h, k.results()
		}, "cinema did not receive what the hop before it sent"},
		{"a first hop that sent something else", func(k *conductor) ([]*sottov1.Signed, [][]byte) {
			h := k.handOvers()
			h[0] = c.resigned("bank", h[0], func(b *protocol.HandOver) { b.Out[0]++ })
			return h, k.results()
		}, "cinema did not receive what the hop before it sent"},
		{"a cell twice", func(k *conductor) ([]*sottov1.Signed, [][]byte) {
			r := k.results()
			return k.handOvers(), [][]byte{r[0], r[0], r[2]}
		}, "result 1 is not the one"},
		{"a cell too few", func(k *conductor) ([]*sottov1.Signed, [][]byte) { return k.handOvers(), k.results()[:2] }, "the results end early"},
	}
	if !long {
		attacks = attacks[:len(attacks)-2]
	}
	for i, attack := range attacks {
		victim := partyNames[i%2] // two attacks on one session, for two parties
		if i%2 == 0 {
			k, other = c.conduct(newNonce(q)), k
			k.prepareAll()
			c.must(k.contribute())
		}
		handOvers, results := attack.prepare(k)
		t.Run(attack.name, func(t *testing.T) {
			_, err := k.release(victim, handOvers, results)
			refused(t, err, fault.Protocol, attack.text)
			_, err = k.release(victim, k.handOvers(), k.results())
			refused(t, err, fault.Unavailable, "not under way")
		})
	}
	if charges := c.charges(); charges["bank"] != 0 || charges["cinema"] != 0 {
		t.Errorf("charges: %v", charges)
	}
}

// resigned returns a hand-over that its party has changed and signed anew.
func (c *cluster) resigned(party string, signed *sottov1.Signed, change func(*protocol.HandOver)) *sottov1.Signed {
	c.Helper()
	var body protocol.HandOver
	c.must(canon.Decode(body.Domain(), signed.Body, &body))
	change(&body)
	return protocol.Sign(c.keys[party], &body)
}

// TestContributeTwice guards that a hop is done once (attack 4): two different encrypted vectors under one key, or one
// vector multiplied by two inputs, tell more than one. The second call kills the session, the first with it.
func TestContributeTwice(t *testing.T) {
	c := start(t, setup{seed: 52})
	q, _ := c.question(c.everybody())
	k := c.conduct(q)
	k.prepareAll()
	_, err := k.hop("bank", k.start())
	c.must(err)
	sent, err := k.hop("bank", k.start())
	refused(t, err, fault.Protocol, "contribute was called twice")
	if len(sent) > 0 {
		t.Errorf("the second call was sent %d messages", len(sent))
	}
	_, err = k.release("bank", nil, nil)
	refused(t, err, fault.Unavailable, "not under way")
	k.forget()

	// While the first is under way, and waits for blocks that do not come.
	k = c.conduct(newNonce(q))
	k.prepareAll()
	stream, err := k.parties["cinema"].Contribute(context.Background())
	c.must(err)
	c.must(stream.Send(k.start()))
	c.eventually(func() error {
		if n, _ := c.goroutines("sotto/party.(*hop).receive"); n == 0 {
			return errors.New("the first call does not wait for blocks")
		}
		return nil
	})
	_, err = k.hop("cinema", k.start())
	refused(t, err, fault.Protocol, "contribute was called twice")
	_, err = stream.Recv()
	refused(t, err, fault.Protocol, "contribute was called twice")
	if n := c.party("cinema").node.Sessions(); n != 0 {
		t.Errorf("cinema has %d sessions", n)
	}
	k.forget()
}

// TestOrderOfSteps guards that a session whose steps come twice or in another order is dead, and shows no share.
func TestOrderOfSteps(t *testing.T) {
	c := start(t, setup{seed: 53})
	q, _ := c.question(c.everybody())
	ctx := context.Background()
	steps := map[string]func(k *conductor) error{
		"open": func(k *conductor) error {
			_, err := k.parties["bank"].Open(ctx, &sottov1.OpenRequest{Session: k.id[:], Commitments: k.commitments})
			return err
		},
		"agree": func(k *conductor) error {
			_, err := k.parties["bank"].Agree(ctx, &sottov1.AgreeRequest{Session: k.id[:], Openings: k.openings})
			return err
		},
		"contribute": func(k *conductor) error {
			_, err := k.hop("bank", k.start())
			return err
		},
		"release": func(k *conductor) error {
			_, err := k.release("bank", nil, nil)
			return err
		},
	}
	for done, wrong := range map[string][]string{
		"prepare": {"agree", "contribute", "release"}, "open": {"open", "contribute", "release"}, "agree": {"open", "agree", "release"},
	} {
		for _, step := range wrong {
			k := c.conduct(newNonce(q))
			c.must(k.prepare())
			if done != "prepare" {
				c.must(k.open())
			}
			if done == "agree" {
				c.must(k.agree())
			}
			if err := steps[step](k); !fault.IsKind(err, fault.Protocol) {
				t.Errorf("%s after %s: %v", step, done, err)
			}
			refused(t, steps["open"](k), fault.Unavailable, "not under way")
			k.forget()
		}
	}
}

// TestPrepareAgain guards what repeating Prepare gives (attack 4): in one session the same bytes, so that nobody draws
// shares until one suits; for another question nothing. One signed question can be begun a few times, for a coordinator
// that had bad luck, but not again and again, and not at all when it was answered.
func TestPrepareAgain(t *testing.T) {
	c := start(t, setup{seed: 54})
	q, _ := c.question(c.everybody())
	k := c.conduct(q)
	ctx := context.Background()
	bank := k.parties["bank"]
	prepare := func(id [16]byte, signed *sottov1.Signed) (*sottov1.PrepareResponse, error) {
		return bank.Prepare(ctx, &sottov1.PrepareRequest{Session: id[:], Query: signed})
	}
	c.must(k.prepare())
	again, err := prepare(k.id, k.signed)
	c.must(err)
	if !proto.Equal(again.GetCommitment(), k.commitments[0]) {
		t.Error("the same session was prepared again with other bytes")
	}
	another := protocol.Sign(c.keys["analyst_0"], newNonce(q))
	_, err = prepare(k.id, another)
	refused(t, err, fault.Protocol, "the session was prepared for another question")
	c.must(k.open()) // which did the session no harm

	// A session that was forgotten does not come back, not even with the same bytes.
	k.forget()
	_, err = prepare(k.id, k.signed)
	refused(t, err, fault.Protocol, "the session is known and its key share is gone")

	for range query.MaxSessions - 1 {
		id := protocol.NewSession()
		_, err := prepare(id, k.signed)
		c.must(err)
		_, err = bank.Forget(ctx, &sottov1.ForgetRequest{Session: id[:]})
		c.must(err)
	}
	_, err = prepare(protocol.NewSession(), k.signed)
	refused(t, err, fault.Protocol, "was begun 3 times")

	k = c.conduct(newNonce(q))
	k.prepareAll()
	c.must(k.contribute())
	_, err = k.release("bank", k.handOvers(), k.results())
	c.must(err)
	_, err = prepare(protocol.NewSession(), k.signed)
	refused(t, err, fault.Protocol, "the signed question was answered already")
	_, err = prepare(k.id, k.signed)
	refused(t, err, fault.Protocol, "the session is known")
	k.forget()
}
