package protocol

import (
	"crypto/sha256"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// VerifyReleases checks the releases of a session: one per key-holder in the plan's order, each signed for this
// transcript, these hand-overs and the very bytes that it is shown with, all for the same commitments, and charged at every
// party as the question says.
func VerifyReleases(sealed []*sottov1.SealedRelease, plan *query.Plan, a *agreement.Agreement, transcript [32]byte, handOvers []HandOver) ([]Release, error) {
	if len(sealed) != len(plan.KeyHolders) {
		return nil, fault.New(fault.Protocol, "there are %d releases, must be one per key-holder, %d", len(sealed), len(plan.KeyHolders))
	}
	over := HandOversHash(handOvers)
	releases := make([]Release, len(sealed))
	for i, name := range plan.KeyHolders {
		holder, _ := a.KeyHolder(name)
		r := &releases[i]
		if err := Verify(sealed[i].GetRelease(), holder.Key, name, r); err != nil {
			return nil, err
		}
		switch {
		case sealed[i].GetKeyHolder() != name, r.KeyHolder != name, r.Transcript != transcript:
			return nil, fault.New(fault.Protocol, "release of %s is of another session or key-holder", name)
		case r.HandOvers != over:
			return nil, fault.New(fault.Protocol, "release of %s is over other hand-overs", name)
		case r.Commitments != releases[0].Commitments:
			return nil, fault.New(fault.Protocol, "release of %s is over other commitments than that of %s", name, releases[0].KeyHolder)
		case r.Sealed != sha256.Sum256(sealed[i].GetSealed()):
			return nil, fault.New(fault.Protocol, "what %s sealed was altered", name)
		}
		if charge := plan.Charge(name); r.MicroEpsilon != charge.MicroEpsilon || r.AttoDelta != charge.AttoDelta || r.Cells != charge.Cells {
			return nil, fault.New(fault.Protocol, "%s charged another price than the question's", name)
		}
	}
	return releases, nil
}
