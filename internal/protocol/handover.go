package protocol

import (
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// VerifyHandOvers checks all hand-overs of a session against the plan: one per hop in the plan's order, signed by that
// hop's party for this transcript and joint key, what went out of one hop came into the next, and every chain has its
// results, no ciphertext twice.
func VerifyHandOvers(signed []*sottov1.Signed, plan *query.Plan, a *agreement.Agreement, transcript, publicKey [32]byte) ([]HandOver, error) {
	hops := 0
	for _, c := range plan.Chains {
		hops += len(c.Hops)
	}
	if len(signed) != hops {
		return nil, fault.New(fault.Protocol, "there are %d hand-overs, the plan has %d hops", len(signed), hops)
	}
	handOvers := make([]HandOver, 0, hops)
	seen := map[[32]byte]bool{}
	for c, chain := range plan.Chains {
		var previous [32]byte
		for i, hop := range chain.Hops {
			h, err := VerifyHandOver(signed[len(handOvers)], plan, a, transcript, publicKey, c, i)
			if err != nil {
				return nil, err
			}
			if h.In != previous {
				return nil, fault.New(fault.Protocol, "chain %d: %s did not receive what the hop before it sent", c, hop.Party)
			}
			previous = h.Out
			for _, result := range h.Results {
				if seen[result.C1] {
					return nil, fault.New(fault.Protocol, "chain %d: a result ciphertext occurs twice", c)
				}
				seen[result.C1] = true
			}
			handOvers = append(handOvers, h)
		}
	}
	return handOvers, nil
}

// VerifyHandOver checks one hand-over by itself.
func VerifyHandOver(signed *sottov1.Signed, plan *query.Plan, a *agreement.Agreement, transcript, publicKey [32]byte, chain, hop int) (HandOver, error) {
	hops := plan.Chains[chain].Hops
	party, _ := a.Party(hops[hop].Party)
	var h HandOver
	if err := Verify(signed, party.Key, party.Name, &h); err != nil {
		return h, err
	}
	last := hop == len(hops)-1
	results := 0
	if last {
		results = plan.Chains[chain].Ciphertexts
	}
	switch {
	case h.Transcript != transcript, h.PublicKey != publicKey, h.Party != party.Name, h.Chain != int64(chain), h.Hop != int64(hop):
		return h, fault.New(fault.Protocol, "hand-over of %s is of another session or hop", party.Name)
	case len(h.Results) != results:
		return h, fault.New(fault.Protocol, "hand-over of %s has %d results, must have %d", party.Name, len(h.Results), results)
	case hop == 0 && h.In != [32]byte{}, last && h.Out != [32]byte{}:
		return h, fault.New(fault.Protocol, "hand-over of %s has a hash where nothing passed", party.Name)
	}
	for i, result := range h.Results {
		if used := plan.Chains[chain].Used(i); len(result.C0) != used {
			return h, fault.New(fault.Protocol, "hand-over of %s has %d lanes in result %d, must have %d", party.Name, len(result.C0), i, used)
		}
		for _, c0 := range result.C0 {
			if _, err := plan.Params.ParseScalar(c0); err != nil {
				return h, fault.New(fault.Protocol, "hand-over of %s", party.Name).Wrap(err)
			}
		}
	}
	return h, nil
}
