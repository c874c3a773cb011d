package cluster

import (
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/match"
)

// baselinePoints is how many points of each kind of work of a matching are timed.
const baselinePoints = 4096

// MatchBaseline measures the CPU time of the exponentiations, and what belongs to them (hashing to the group, decoding, encoding),
// of a matching of two parties with people customers each, by doing some alone and multiplying. slots is the length of the spine.
// How many dummies each list had is not known: it counts with as many as there are on average.
func MatchBaseline(terms agreement.Matching, people, slots int64) (time.Duration, error) {
	cover := match.Cover{Parties: 2, Epsilon: terms.Epsilon.Float(), Delta: terms.Delta}
	dummies, _ := cover.Expected()
	list := people + int64(dummies)
	all := make([]ids.ID, baselinePoints)
	for i := range all {
		all[i] = ids.ID{byte(i), byte(i >> 8)}
	}
	entries, err := match.NewEntries([32]byte{}, all, nil)
	if err != nil {
		return 0, err
	}
	s := match.NewSecrets()
	defer s.Forget()
	var points match.Points
	var total time.Duration
	for _, o := range []struct {
		count     int64
		operation func() error
	}{
		{2 * list, func() (err error) { points, err = entries.Tokens(0, baselinePoints, s); return err }},
		{2 * list, func() error { _, _, err := match.RaiseTwo(points, &s.Token, &s.Slot); return err }},
		// One party's own list, those of the union that the first one has not turned before, and all at the last one.
		{list + (slots - list) + slots, func() error { _, err := match.Turn(points, s, nil); return err }},
	} {
		began := SelfCPU()
		if err := o.operation(); err != nil {
			return 0, err
		}
		total += time.Duration(o.count) * (SelfCPU() - began) / baselinePoints
	}
	return total, nil
}
