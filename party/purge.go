package party

import (
	"errors"
	"fmt"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/members"
)

// Purge destroys what was stored of customers for longer than the declared retention, and what no question refers to; it says
// what that is. With dryRun it only says so. Rows that became too old are out of memory with the next refresh; nothing uses them
// before.
func (n *Node) Purge(actor string, dryRun bool) ([]members.Purged, error) {
	n.changing.Lock()
	defer n.changing.Unlock()
	n.preparing.Lock() // a question that is being prepared has perhaps seen customers of before, and not kept its view yet
	defer n.preparing.Unlock()
	var before time.Time // nothing is older
	if n.config.Retention.Declared() {
		before = n.config.Retention.KeepFor.Before(n.now())
	}
	n.viewing.Lock()
	current := n.current.storedAs
	n.viewing.Unlock()
	purged, err := n.purgeStored(before, current, true)
	if err != nil || dryRun || len(purged) == 0 {
		return purged, err
	}
	entry := audit.Entry{
		Actor: actor, Action: audit.Purge, Verdict: audit.Done, Detail: fmt.Sprintf("%d stored files destroyed", len(purged)),
	}
	if err := n.state.Audit.Record(entry); err != nil { // before anything goes, which is not to go unseen
		return nil, err
	}
	n.trace("purge: recorded")
	if purged, err = n.purgeStored(before, current, false); err != nil {
		entry.Verdict, entry.Detail, entry.Reason = audit.Failed, "", fault.From(err).Message
		return nil, errors.Join(err, n.state.Audit.Record(entry))
	}
	n.trace("purge: done")
	return purged, nil
}

// purgeStored is Purge but for the record of it. A matching stays for as long as it is not too old: which of them others have, to ask
// about, the next one finds out.
func (n *Node) purgeStored(before time.Time, current [32]byte, dryRun bool) ([]members.Purged, error) {
	purged, err := n.state.Members.Purge(before, [][32]byte{current}, dryRun)
	if err != nil {
		return nil, err
	}
	var stay [][32]byte
	for _, m := range n.state.Matches.All() {
		if !m.At.Before(before) {
			stay = append(stay, m.ID)
		}
	}
	gone, err := n.state.Matches.Purge(stay, dryRun)
	if err != nil || len(gone) == 0 {
		return purged, err
	}
	for _, m := range gone {
		purged = append(purged, members.Purged{What: fmt.Sprintf("match-%x", m.ID), At: m.At})
	}
	if dryRun {
		return purged, nil
	}
	return purged, n.rematched()
}
