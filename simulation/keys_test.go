package simulation

import (
	"bytes"
	"context"
	"math/big"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/keyholder"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// refused checks that a call failed for a reason of that kind with that text.
func refused(t testing.TB, err error, kind fault.Kind, text string) {
	t.Helper()
	f := fault.From(err)
	switch {
	case err == nil:
		t.Errorf("it was accepted, must be refused: %s", text)
	case f.Kind != kind || !bytes.Contains([]byte(f.Message), []byte(text)):
		t.Errorf("refused as %s: %s; must be as %s: %s", f.Kind, f.Message, kind, text)
	}
}

// TestRogueKeyShare guards commit-then-open (attack 2): a coordinator that has seen all other shares and answers with
// b' − Σ b_i, b' its own key, would own the joint key and read every block alone. It would indeed: the first half of the
// test does so. No party goes on with a share that was not committed to before it showed its own.
func TestRogueKeyShare(t *testing.T) {
	c := start(t, setup{seed: 40})
	q, _ := c.question(c.everybody())
	k := c.conduct(q)
	c.must(k.prepare())
	c.must(k.open())

	ring, err := he.NewRing(k.plan.Params)
	c.must(err)
	transcript := k.plan.Transcript(k.id)
	mine, err := ring.NewShare(transcript, 1)
	c.must(err)
	rogue := minus(k.plan.Params, mine.Public(), k.openings[0].Share, k.openings[1].Share)
	joint, err := ring.JoinKey(transcript, [][]byte{k.openings[0].Share, k.openings[1].Share, rogue}, 1)
	c.must(err)
	worker, block := joint.NewWorker(), ring.NewBlock(1)
	c.must(worker.Encrypt(func(_ int, slots []int64) {
		clear(slots)
		slots[17], slots[4711] = 1, 41
	}, block))
	c0, c1 := ring.Output(block)
	scalars, err := mine.Scalars(c1, 1)
	c.must(err)
	if sum, err := k.plan.Params.Decode(new(big.Int).Add(c0[0], scalars[0]), k.plan.Need); err != nil || sum != 42 {
		t.Fatalf("the attack itself does not work: %v, %v", sum, err)
	}

	k.openings[2] = &sottov1.Opening{Share: rogue, Nonce: k.openings[2].Nonce}
	for name, party := range k.parties {
		_, err := party.Agree(context.Background(), &sottov1.AgreeRequest{Session: k.id[:], Openings: k.openings})
		refused(t, err, fault.Protocol, "opening of coordinator is not what it committed to")
		_, err = party.Agree(context.Background(), &sottov1.AgreeRequest{Session: k.id[:], Openings: k.openings})
		refused(t, err, fault.Unavailable, "not under way")
		if c.party(name).node.Sessions() != 0 {
			t.Errorf("%s goes on with the session", name)
		}
	}
}

// TestCommitments guards that nobody opens before everybody has committed, each for this very session (attack 2): a
// commitment that is missing, another's, of another session, not signed by its owner, or not the party's own.
func TestCommitments(t *testing.T) {
	c := start(t, setup{seed: 41})
	q, _ := c.question(c.everybody())
	other := c.conduct(q)
	c.must(other.prepare())
	coordinator := c.keys[agreement.CoordinatorName]
	for _, attack := range []struct {
		name   string
		change func(k *conductor, all []*sottov1.Signed) []*sottov1.Signed
		text   string
	}{
		{"none of the coordinator", func(_ *conductor, all []*sottov1.Signed) []*sottov1.Signed { return all[:2] }, "there are 2 commitments"},
		{"an empty one", func(_ *conductor, all []*sottov1.Signed) []*sottov1.Signed { all[2] = nil; return all }, "commitment from coordinator"},
		{"bank's twice", func(_ *conductor, all []*sottov1.Signed) []*sottov1.Signed { all[1] = all[0]; return all }, "commitment from cinema is not signed"},
		{"another order", func(_ *conductor, all []*sottov1.Signed) []*sottov1.Signed {
			all[1], all[2] = all[2], all[1]
			return all
		}, "is not signed"},
		{"one of another session", func(_ *conductor, all []*sottov1.Signed) []*sottov1.Signed { all[1] = other.commitments[1]; return all }, "commitment of cinema is of another session"},
		{"one that the coordinator made up for cinema", func(k *conductor, all []*sottov1.Signed) []*sottov1.Signed {
			all[1] = protocol.Sign(coordinator, &protocol.Commitment{Transcript: k.plan.Transcript(k.id), KeyHolder: "cinema"})
			return all
		}, "commitment from cinema is not signed"},
		{"the coordinator's in cinema's name", func(k *conductor, all []*sottov1.Signed) []*sottov1.Signed {
			all[2] = protocol.Sign(coordinator, &protocol.Commitment{Transcript: k.plan.Transcript(k.id), KeyHolder: "cinema"})
			return all
		}, "commitment of coordinator is of another session"},
		{"too many", func(_ *conductor, all []*sottov1.Signed) []*sottov1.Signed { return append(all, all[2]) }, "there are 4 commitments"},
	} {
		k := c.conduct(newNonce(q))
		c.must(k.prepare())
		changed := attack.change(k, slices.Clone(k.commitments))
		t.Run(attack.name, func(t *testing.T) {
			_, err := k.parties["bank"].Open(context.Background(), &sottov1.OpenRequest{Session: k.id[:], Commitments: changed})
			refused(t, err, fault.Protocol, attack.text)
			_, err = k.parties["bank"].Open(context.Background(), &sottov1.OpenRequest{Session: k.id[:], Commitments: k.commitments})
			refused(t, err, fault.Unavailable, "not under way")
		})
		k.forget()
	}
	other.forget()
}

// TestCommitmentsDifferByParty guards against a coordinator with two faces (attack 2): it commits to one share before bank
// and to another before cinema. Each party for itself sees nothing wrong, opens and agrees; the approvals, which bind what
// each has seen, don't fit together, and no party sends a block.
func TestCommitmentsDifferByParty(t *testing.T) {
	c := start(t, setup{seed: 42})
	q, _ := c.question(c.everybody())
	k := c.conduct(q)
	c.must(k.prepare())
	second, err := keyholder.Prepare(k.plan, k.id, c.agreement, agreement.CoordinatorName, c.keys[agreement.CoordinatorName])
	c.must(err)
	ctx := context.Background()
	faces := map[string]*keyholder.Session{"bank": k.own, "cinema": second}
	commitments := map[string][]*sottov1.Signed{}
	openings := map[string]*sottov1.Opening{}
	for name, own := range faces {
		commitments[name] = append(slices.Clone(k.commitments[:2]), own.Commitment())
		r, err := k.parties[name].Open(ctx, &sottov1.OpenRequest{Session: k.id[:], Commitments: commitments[name]})
		c.must(err)
		openings[name] = r.Opening
	}
	approvals := map[string]*sottov1.Signed{}
	mine := map[string]*sottov1.Signed{}
	for name, own := range faces {
		opened, err := own.Open(commitments[name])
		c.must(err)
		all := []*sottov1.Opening{openings["bank"], openings["cinema"], opened}
		mine[name], err = own.Agree(all)
		c.must(err)
		r, err := k.parties[name].Agree(ctx, &sottov1.AgreeRequest{Session: k.id[:], Openings: all})
		c.must(err)
		approvals[name] = r.Approval
	}
	for name := range faces {
		k.approvals = []*sottov1.Signed{approvals["bank"], approvals["cinema"], mine[name]}
		sent, err := k.hop(name, k.start())
		refused(t, err, fault.Protocol, "approved of another joint key")
		if len(sent) > 0 {
			t.Errorf("%s sent %d messages", name, len(sent))
		}
	}
}

// TestApprovals guards that no party encrypts before everybody has signed that they hold the same joint key.
func TestApprovals(t *testing.T) {
	c := start(t, setup{seed: 43})
	q, _ := c.question(c.everybody())
	for name, change := range map[string]func(all []*sottov1.Signed) []*sottov1.Signed{
		"none of cinema":           func(all []*sottov1.Signed) []*sottov1.Signed { all[1] = nil; return all },
		"none at all":              func([]*sottov1.Signed) []*sottov1.Signed { return nil },
		"the coordinator's thrice": func(all []*sottov1.Signed) []*sottov1.Signed { all[0], all[1] = all[2], all[2]; return all },
	} {
		k := c.conduct(newNonce(q))
		k.prepareAll()
		k.approvals = change(k.approvals)
		sent, err := k.hop("bank", k.start())
		if !fault.IsKind(err, fault.Protocol) || len(sent) > 0 {
			t.Errorf("%s: %d messages, %v", name, len(sent), err)
		}
		k.forget()
	}
}
