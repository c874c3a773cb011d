package members

import (
	"slices"
	"time"
)

// Purged is a file that has gone, or would go.
type Purged struct {
	What string    // its name: "view-" or "snapshot-", and of what in hex
	At   time.Time // of a view as View.At, of a snapshot when it was made
}

// Purge removes the views of which the last question was before a time, then the snapshots to which no view refers that is left,
// but for the versions inUse: above all the one that questions are answered from, which may not have a view yet. It returns what
// has gone for good, views first and older ones first; with dryRun, what would go. If it fails or a crash cuts it off, some of it
// may have gone, and the next Purge removes the rest.
func (s *Store) Purge(before time.Time, inUse [][32]byte, dryRun bool) ([]Purged, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	views, err := s.views()
	if err != nil {
		return nil, err
	}
	var oldViews, oldSnapshots []Purged
	needed := map[[32]byte]bool{}
	for _, view := range views {
		head, err := s.viewHead(view)
		if err != nil {
			return nil, err
		}
		if at := seconds(head.At); at.Before(before) {
			oldViews = append(oldViews, Purged{viewName(view), at})
		} else {
			needed[head.Snapshot] = true
		}
	}
	versions, err := s.snapshots()
	if err != nil {
		return nil, err
	}
	for _, version := range versions {
		if needed[version] || slices.Contains(inUse, version) {
			continue
		}
		head, err := s.snapshotHead(version)
		if err != nil {
			return nil, err
		}
		oldSnapshots = append(oldSnapshots, Purged{snapshotName(version), head.At})
	}
	var gone []Purged
	for _, some := range [][]Purged{oldViews, oldSnapshots} { // in this order: no view is ever without its snapshot
		slices.SortFunc(some, func(a, b Purged) int { return a.At.Compare(b.At) })
		if !dryRun {
			if err := s.remove(some); err != nil {
				return nil, err
			}
			s.step("members: purged some")
		}
		gone = append(gone, some...)
	}
	return gone, nil
}

func (s *Store) remove(some []Purged) error {
	var names []string
	for _, p := range some {
		names = append(names, p.What)
	}
	return s.files.Remove(names...)
}
