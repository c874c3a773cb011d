package subjects

import "github.com/sotto-dev/sotto/party/vault"

// Empty reports whether nobody has ever said anything.
func (l *List) Empty() bool { return l.journal.Head().Rows <= 1 } // the opening

// Erased returns the keyed hashes of all who are erased, in no order.
func (l *List) Erased() []vault.Hash {
	l.reading.RLock()
	defer l.reading.RUnlock()
	var erased []vault.Hash
	for h, p := range l.people {
		if !p.Erased.IsZero() {
			erased = append(erased, h)
		}
	}
	return erased
}

// Unerased returns the row of the latest request that took back an erasure, 0 if none ever did. What was stored before it holds
// nothing of these people, and must not come to hold them again.
func (l *List) Unerased() int64 {
	l.reading.RLock()
	defer l.reading.RUnlock()
	return l.unerased
}
