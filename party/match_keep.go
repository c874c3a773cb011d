package party

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/matches"
	"github.com/sotto-dev/sotto/party/matching"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// keepMatching stores what has come of a matching that all approve of. Of the earlier ones those go that not all parties had when it
// began, and all but the newest of the others: until every party has stored this one, questions that name somebody who has not are
// over that.
func (n *Node) keepMatching(s *matchSession, approvals []*sottov1.Signed) error {
	outcome, err := s.Finish(approvals)
	if err != nil {
		return err
	}
	n.trace("match: agreed")
	n.changing.Lock() // who is erased meanwhile waits, and is then taken out of what is stored here
	defer n.changing.Unlock()
	people, slots := outcome.People, outcome.SlotOf
	n.viewing.Lock()
	now := n.current.snapshot
	n.viewing.Unlock()
	if now != s.snapshot || len(s.forgotten) > 0 {
		people, slots = still(now, s.forgotten, people, slots)
	}
	n.trace("match: people settled")
	m := matches.Matching{
		ID: outcome.Matching, Basis: n.agreement.Basis(), Participants: n.agreement.PartyNames(),
		At: time.Unix(s.matching.Begun, 0).UTC(), Slots: outcome.Slots, Spine: outcome.Spine,
	}
	if err := n.state.Matches.Keep(m, people, slots); err != nil {
		return err
	}
	n.trace("match: kept")
	if err := n.dropMatchings(outcome); err != nil {
		return err
	}
	n.trace("match: others dropped")
	if err := n.rematched(); err != nil {
		return err
	}
	n.trace("match: exchanged")
	entry := s.asked
	entry.Verdict, entry.Detail = audit.Done, fmt.Sprintf("slots of matching %x stored; its spine is %x", m.ID[:8], m.Spine[:8])
	return n.state.Audit.Record(entry)
}

// dropMatchings removes earlier matchings that no question needs.
func (n *Node) dropMatchings(outcome *matching.Outcome) error {
	stay := append([][32]byte{outcome.Matching}, outcome.Common[:min(1, len(outcome.Common))]...)
	_, err := n.state.Matches.Purge(stay, false)
	return err
}

// still returns those of people, with their slots, who are customers now and were not erased meanwhile: also if that was taken back,
// for what was erased stays erased.
func still(now *customers.Snapshot, erased, people []ids.ID, slots []uint32) ([]ids.ID, []uint32) {
	compare := func(a, b ids.ID) int { return bytes.Compare(a[:], b[:]) }
	sorted := func(all []ids.ID) []ids.ID { return slices.SortedFunc(slices.Values(all), compare) }
	customers, gone := sorted(now.IDs), sorted(erased)
	var stay []ids.ID
	var stayed []uint32
	for i, id := range people {
		_, is := slices.BinarySearchFunc(customers, id, compare)
		_, was := slices.BinarySearchFunc(gone, id, compare)
		if is && !was {
			stay, stayed = append(stay, id), append(stayed, slots[i])
		}
	}
	return stay, stayed
}
