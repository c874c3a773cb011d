package matches

import (
	"slices"
	"time"
)

// Purge removes the matchings but the newest, and also that if it is from before a time: what is kept of people must not outlast
// what their data is declared to be kept for. Those inUse stay in any case. It returns what has gone for good, older ones first;
// with dryRun, what would go. If it fails or a crash cuts it off, some of it may have gone, and the next Purge removes the rest.
func (s *Store) Purge(before time.Time, inUse [][32]byte, dryRun bool) ([]Matching, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stay []numbered
	var gone []Matching
	var names []string
	for i, k := range *s.kept.Load() {
		if slices.Contains(inUse, k.ID) || i == 0 && !k.At.Before(before) {
			stay = append(stay, k)
			continue
		}
		gone, names = append(gone, k.Matching), append(names, nameOf(k.ID))
	}
	slices.Reverse(gone)
	slices.Reverse(names)
	if dryRun || len(gone) == 0 {
		return gone, nil
	}
	if err := s.files.Remove(names...); err != nil {
		return nil, err
	}
	s.step("matches: purged")
	s.kept.Store(&stay)
	return gone, nil
}
