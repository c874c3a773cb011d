package matches

import "slices"

// Purge removes all matchings but those that stay. It returns what has gone for good, older ones first; with dryRun, what would go. If it
// fails or a crash cuts it off, some of it may have gone, and the next Purge removes the rest.
func (s *Store) Purge(stay [][32]byte, dryRun bool) ([]Matching, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var left []numbered
	var gone []Matching
	var names []string
	for _, k := range *s.kept.Load() {
		if slices.Contains(stay, k.ID) {
			left = append(left, k)
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
	s.kept.Store(&left)
	return gone, nil
}
