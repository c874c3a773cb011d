package matching

import (
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/seal"
)

// SealingKey lets tests read what is sealed to a party, as that party does.
func SealingKey(r *Run) *seal.Key { return r.sealing }

// Secrets are what a party raises points to.
func Secrets(r *Run) *match.Secrets { return r.secrets }

// Dead tells whether a run has ended.
func Dead(r *Run) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.step == dead
}

// Keeps tells whether a run still holds anything of its lists, its customers or their slots.
func Keeps(r *Run) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sealing != nil || r.entries != nil || r.people != nil || r.known != nil || r.own != nil || len(r.ready) > 0 || r.slots != nil
}

// Held returns what a run holds of lists and slots, not copied.
func Held(r *Run) (lists []match.Points, slots []uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, list := range r.ready {
		lists = append(lists, list)
	}
	if r.own != nil {
		lists = append(lists, r.own)
	}
	return lists, r.slots
}
