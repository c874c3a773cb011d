package keyholder

import (
	"bytes"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/params"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// minus subtracts encoded polynomials from others, residue by residue: what an attacker needs of the algebra. Residues are
// packed to the bit length of their prime, at most 56, most significant bit first.
func minus(set params.Set, a, b []byte) (out []byte) {
	for len(a) > 0 {
		for _, q := range set.Q {
			size := bits.Len64(q)
			length := size * set.N() / 8
			row := make([]byte, length)
			for i := range set.N() {
				first, last := i*size/8, ((i+1)*size-1)/8 // bytes that the residue is in
				shift := (last+1)*8 - (i+1)*size
				read := func(from []byte) (x uint64) {
					for _, b := range from[first : last+1] {
						x = x<<8 | uint64(b)
					}
					return x >> shift & (1<<size - 1)
				}
				difference := (read(a) + q - read(b)) % q << shift
				for at := last; at >= first; at-- {
					row[at] |= byte(difference)
					difference >>= 8
				}
			}
			out, a, b = append(out, row...), a[length:], b[length:]
		}
	}
	return out
}

// Attack 2, the rogue key, with one lane and with several: whoever opens last would like to open b' − Σ b_i, which makes the joint key its own. The first
// half shows that the sum is then the rogue's, the second that a key-holder refuses: the share is not what was committed to
// before anybody had seen one.
func TestRogueShareIsRefused(t *testing.T) {
	for _, x := range []*table{sit(t, 1, agreement.NoiseEveryone), sitFor(t, questions()["either by both"])} {
		openings := x.open()
		own := openings[2].GetShare()
		rogue := minus(x.plan.Params, minus(x.plan.Params, own, openings[0].GetShare()), openings[1].GetShare())
		shares := [][]byte{openings[0].GetShare(), openings[1].GetShare(), rogue}
		joint, err := x.holders[0].Ring().JoinKey(x.holders[0].Transcript, shares, x.plan.Lanes())
		x.must(err)
		if !bytes.Equal(joint.Sum(), own) {
			t.Fatal("the joint key is not the rogue's: the test shows nothing")
		}
		_, err = x.holders[0].Agree([]*sottov1.Opening{openings[0], openings[1], {Share: rogue, Nonce: openings[2].GetNonce()}})
		refused(t, "rogue share", x.holders[0], err)
		if !strings.Contains(err.Error(), "opening of coordinator is not what it committed to") {
			t.Errorf("error is %v, want one that names the rogue", err)
		}
	}
}

// Attack 2, commitments: a share is revealed only to exactly one commitment of each key-holder for this very session, the
// own one among them unchanged.
func TestCommitmentsThatAreNotOnePerKeyHolder(t *testing.T) {
	for name, alter := range map[string]func(x *table, all []*sottov1.Signed) []*sottov1.Signed{
		"none":         func(*table, []*sottov1.Signed) []*sottov1.Signed { return nil },
		"one missing":  func(_ *table, all []*sottov1.Signed) []*sottov1.Signed { return all[:2] },
		"one too many": func(_ *table, all []*sottov1.Signed) []*sottov1.Signed { return append(all, all[2]) },
		"an empty one": func(_ *table, all []*sottov1.Signed) []*sottov1.Signed { return []*sottov1.Signed{all[0], all[1], nil} },
		"one twice": func(_ *table, all []*sottov1.Signed) []*sottov1.Signed {
			return []*sottov1.Signed{all[0], all[1], all[1]}
		},
		"own in all": func(_ *table, all []*sottov1.Signed) []*sottov1.Signed {
			return []*sottov1.Signed{all[0], all[0], all[0]}
		},
		"in another order": func(_ *table, all []*sottov1.Signed) []*sottov1.Signed {
			return []*sottov1.Signed{all[0], all[2], all[1]}
		},
		"not signed": func(_ *table, all []*sottov1.Signed) []*sottov1.Signed {
			return []*sottov1.Signed{all[0], {Body: all[1].GetBody()}, all[2]}
		},
		"of another session": func(x *table, all []*sottov1.Signed) []*sottov1.Signed {
			x.id[0]++
			return []*sottov1.Signed{all[0], x.prepare("b").Commitment(), all[2]}
		},
		"own, of another session": func(x *table, all []*sottov1.Signed) []*sottov1.Signed {
			x.id[0]++
			return []*sottov1.Signed{x.prepare("a").Commitment(), all[1], all[2]}
		},
		"own, to another share": func(x *table, all []*sottov1.Signed) []*sottov1.Signed {
			return []*sottov1.Signed{x.prepare("a").Commitment(), all[1], all[2]}
		},
		"in another's name": func(x *table, all []*sottov1.Signed) []*sottov1.Signed {
			body := &protocol.Commitment{Transcript: x.holders[0].Transcript, KeyHolder: "coordinator"}
			return []*sottov1.Signed{all[0], protocol.Sign(x.keys["b"], body), all[2]}
		},
		"for another": func(x *table, all []*sottov1.Signed) []*sottov1.Signed {
			body := &protocol.Commitment{Transcript: x.holders[0].Transcript, KeyHolder: "b"}
			return []*sottov1.Signed{all[0], protocol.Sign(x.keys["coordinator"], body), all[2]}
		},
	} {
		x := sit(t, 1, agreement.NoiseEveryone)
		opening, err := x.holders[0].Open(alter(x, x.commitments()))
		refused(t, name, x.holders[0], err)
		if opening != nil {
			t.Errorf("%s: the share was revealed", name)
		}
	}
}

// Attack 2, openings: whatever is opened must be what was committed to, byte for byte, and a share must be well-formed
// even if it is.
func TestOpeningsThatAreNotWhatWasCommittedTo(t *testing.T) {
	for name, alter := range map[string]func(all []*sottov1.Opening) []*sottov1.Opening{
		"none":            func([]*sottov1.Opening) []*sottov1.Opening { return nil },
		"one missing":     func(all []*sottov1.Opening) []*sottov1.Opening { return all[:2] },
		"one too many":    func(all []*sottov1.Opening) []*sottov1.Opening { return append(all, all[2]) },
		"an empty one":    func(all []*sottov1.Opening) []*sottov1.Opening { return []*sottov1.Opening{all[0], all[1], nil} },
		"one twice":       func(all []*sottov1.Opening) []*sottov1.Opening { return []*sottov1.Opening{all[0], all[1], all[1]} },
		"swapped":         func(all []*sottov1.Opening) []*sottov1.Opening { return []*sottov1.Opening{all[1], all[0], all[2]} },
		"nonce altered":   func(all []*sottov1.Opening) []*sottov1.Opening { all[1].Nonce[31]++; return all },
		"nonce of nobody": func(all []*sottov1.Opening) []*sottov1.Opening { all[1].Nonce = nil; return all },
		"nonce too long":  func(all []*sottov1.Opening) []*sottov1.Opening { all[1].Nonce = append(all[1].Nonce, 0); return all },
		"share altered": func(all []*sottov1.Opening) []*sottov1.Opening {
			all[1].Share = bytes.Clone(all[1].Share)
			all[1].Share[100]++
			return all
		},
		"own share altered": func(all []*sottov1.Opening) []*sottov1.Opening {
			all[0].Share = bytes.Clone(all[0].Share)
			all[0].Share[0]++
			return all
		},
		"share too short": func(all []*sottov1.Opening) []*sottov1.Opening { all[2].Share = all[2].Share[1:]; return all },
		"share too long":  func(all []*sottov1.Opening) []*sottov1.Opening { all[2].Share = append(all[2].Share, 0); return all },
	} {
		x := sit(t, 1, agreement.NoiseEveryone)
		_, err := x.holders[0].Agree(alter(x.open()))
		refused(t, name, x.holders[0], err)
	}

	// A share that is out of range, committed to and opened as it should be.
	x := sit(t, 1, agreement.NoiseEveryone)
	bad := bytes.Repeat([]byte{0xff}, x.holders[1].Ring().PolyBytes())
	nonce := protocol.NewNonce()
	transcript := x.holders[0].Transcript
	commitments := x.commitments()
	commitments[1] = protocol.Sign(x.keys["b"], &protocol.Commitment{
		Transcript: transcript, KeyHolder: "b", Hash: protocol.CommitmentHash(transcript, "b", bad, nonce),
	})
	own, err := x.holders[0].Open(commitments)
	x.must(err)
	other, err := x.holders[2].Open(commitments)
	x.must(err)
	_, err = x.holders[0].Agree([]*sottov1.Opening{own, {Share: bad, Nonce: nonce[:]}, other})
	refused(t, "share out of range", x.holders[0], err)
}

// Attack 2, two faces: the coordinator commits to one share towards a and to another towards b, and opens to each what it
// committed to. Each is satisfied until they compare: then neither encrypts. Even the same share under two nonces, which
// would give them different salts, is found.
func TestDifferentCommitmentsToDifferentParties(t *testing.T) {
	for name, sameShare := range map[string]bool{"two shares": false, "one share, two nonces": true} {
		x := sit(t, 1, agreement.NoiseEveryone)
		faces := []*Session{x.holders[2], x.prepare("coordinator")}
		if sameShare {
			faces[1].share = faces[0].share
			faces[1].commitment = protocol.Sign(x.keys["coordinator"], &protocol.Commitment{
				Transcript: faces[1].Transcript, KeyHolder: "coordinator",
				Hash: protocol.CommitmentHash(faces[1].Transcript, "coordinator", faces[1].share.Public(), faces[1].nonce),
			})
		}
		honest := x.holders[:2]
		var opened []*sottov1.Opening
		shown := make([][]*sottov1.Signed, 2)
		for i, s := range honest {
			shown[i] = []*sottov1.Signed{honest[0].Commitment(), honest[1].Commitment(), faces[i].Commitment()}
			o, err := s.Open(shown[i])
			x.must(err)
			opened = append(opened, o)
		}
		all := make([][]*sottov1.Signed, 2) // the approvals that each is shown
		var own []*sottov1.Signed
		for i, s := range honest {
			o, err := faces[i].Open(shown[i])
			x.must(err)
			openings := []*sottov1.Opening{opened[0], opened[1], o}
			approval, err := s.Agree(openings)
			x.must(err)
			own = append(own, approval)
			approval, err = faces[i].Agree(openings)
			x.must(err)
			all[i] = []*sottov1.Signed{nil, nil, approval} // the coordinator agrees with each
		}
		for i, s := range honest {
			all[i][0], all[i][1] = own[0], own[1]
			_, err := s.Joint(all[i])
			refused(t, name, s, err)
			if other := x.plan.KeyHolders[1-i]; !strings.Contains(err.Error(), other+" approved of another joint key") {
				t.Errorf("%s: error is %v, want one that names %s", name, err, other)
			}
		}
	}
}

// Nobody encrypts before everybody has signed that it holds the same key over the same commitments, each for itself and
// in this session.
func TestApprovalsThatDiffer(t *testing.T) {
	for name, alter := range map[string]func(x *table, body *protocol.KeyApproval){
		"another key":         func(_ *table, body *protocol.KeyApproval) { body.PublicKey[0]++ },
		"other commitments":   func(_ *table, body *protocol.KeyApproval) { body.Commitments[31]++ },
		"another session":     func(_ *table, body *protocol.KeyApproval) { body.Transcript[7]++ },
		"another key-holder":  func(_ *table, body *protocol.KeyApproval) { body.KeyHolder = "a" },
		"signed by another":   func(x *table, _ *protocol.KeyApproval) { x.keys["b"] = x.keys["coordinator"] },
		"not signed by a key": func(x *table, _ *protocol.KeyApproval) { x.keys["b"] = x.keys["a"] },
	} {
		x := sit(t, 1, agreement.NoiseEveryone)
		approvals := x.agree()
		var body protocol.KeyApproval
		x.must(protocol.Verify(approvals[1], x.keys["b"].Public(), "b", &body))
		alter(x, &body)
		approvals[1] = protocol.Sign(x.keys["b"], &body)
		_, err := x.holders[0].Joint(approvals)
		refused(t, name, x.holders[0], err)
	}
	for name, pick := range map[string][]int{"one missing": {0, 1}, "one twice": {0, 0, 2}, "one too many": {0, 1, 2, 2}, "swapped": {0, 2, 1}} {
		x := sit(t, 1, agreement.NoiseEveryone)
		approvals := x.agree()
		var shown []*sottov1.Signed
		for _, i := range pick {
			shown = append(shown, approvals[i])
		}
		_, err := x.holders[0].Joint(shown)
		refused(t, name, x.holders[0], err)
	}
	x := sit(t, 1, agreement.NoiseEveryone)
	approvals := x.agree()
	for range 3 { // once per chain
		if _, err := x.holders[0].Joint(slices.Clone(approvals)); err != nil {
			t.Fatal(err)
		}
	}
}
