package party

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/subjects"
)

// Heard is what became of a subject request.
type Heard struct {
	Recorded  int   // ids
	Customers int   // of them who are customers now
	Malformed []int // positions of ids that are not of the type, and were left out
}

// actions are the names of subject requests in the audit log.
var actions = map[subjects.Kind]audit.Action{
	subjects.Withdraw: audit.Withdraw, subjects.Erase: audit.Erase, subjects.Restore: audit.Restore,
}

// Hear takes in what customers have said: actor records it for them, who said it when it was received. Once it returns it is
// durable, and holds from the next question on. written are ids as people write them, of type t, or of all types that they can be
// if it is "". An id that is of no such type is left out; it keeps nobody else's from being heard.
func (n *Node) Hear(actor string, kind subjects.Kind, purpose string, t ids.Type, written []string, received time.Time) (Heard, error) {
	entry := audit.Entry{Actor: actor, Action: actions[kind], Purpose: purpose}
	if err := n.checkReceived(received); err != nil {
		return Heard{}, n.refused(entry, err)
	}
	entry.Received = received
	heard, err := n.hear(entry, kind, t, written)
	if err != nil {
		return Heard{}, n.refused(entry, err)
	}
	return heard, nil
}

func (n *Node) hear(entry audit.Entry, kind subjects.Kind, t ids.Type, written []string) (Heard, error) {
	purpose := entry.Purpose
	normalizers, err := n.normalizers(t)
	if err != nil {
		return Heard{}, err
	}
	switch {
	case kind == subjects.Erase && purpose != "":
		return Heard{}, fault.New(fault.Invalid, "an erasure has no purpose").WithHint("withdraw --purpose is for a single one")
	case purpose != "" && !n.agreement.HasPurpose(purpose):
		return Heard{}, fault.New(fault.Purpose, "the purpose is not one of the agreement").
			WithHint("it has: " + strings.Join(n.agreement.Purposes, ", "))
	}
	var heard Heard
	request := subjects.Request{Kind: kind, Purpose: purpose, At: n.now()}
	for i, text := range written {
		found := identify(normalizers, text)
		if len(found) == 0 {
			heard.Malformed = append(heard.Malformed, i)
			continue
		}
		heard.Recorded++
		request.IDs = append(request.IDs, found...)
	}
	if heard.Recorded == 0 {
		entry.Verdict, entry.Reason = audit.Refused, "no id that customers here can have"
		return heard, n.state.Audit.Record(entry)
	}
	n.changing.Lock()
	defer n.changing.Unlock()
	n.trace("subject: begun")
	if err := n.state.Subjects.Record(request); err != nil {
		return Heard{}, err
	}
	n.trace("subject: recorded")
	if heard.Customers, err = n.obey(kind, request.IDs); err != nil {
		n.owing = true
		return Heard{}, err
	}
	n.trace("subject: obeyed")
	entry.Verdict, entry.Subjects = audit.Done, int64(heard.Recorded)
	if !n.owing { // else a restart must see that not all of the list is done
		entry.List = n.listHash()
	}
	return heard, n.state.Audit.Record(entry)
}

// checkReceived refuses times at which nobody can have said anything.
func (n *Node) checkReceived(at time.Time) error {
	switch {
	case at.After(n.now()):
		return fault.New(fault.Invalid, "received at %s, which is in the future", at.UTC().Format(time.RFC3339))
	case at.Unix() <= 0:
		return fault.New(fault.Invalid, "received at %s, which is before there were such requests", at.UTC().Format(time.RFC3339))
	}
	return nil
}

// listHash identifies all that customers have said.
func (n *Node) listHash() string {
	head := n.state.Subjects.Head()
	return hex.EncodeToString(head.Hash[:])
}

// owes tells whether a crash has cut off a request after it was recorded: last is the latest entry of the audit log that tells of
// the list, if there is one.
func (n *Node) owes(last *audit.Entry) bool {
	if last == nil {
		return !n.state.Subjects.Empty()
	}
	return last.List != n.listHash()
}

// forgetErased takes all who were erased out of what is stored, and others by ids that only the source connects with theirs.
func (n *Node) forgetErased(others []ids.ID) error {
	erased := n.state.Subjects.Erased()
	n.stale = true
	if err := errors.Join(n.state.Members.ForgetHashes(erased), n.state.Matches.ForgetHashes(erased)); err != nil {
		return err
	}
	return n.forget(others)
}

// completed records that what was owing is done. The caller holds n.changing.
func (n *Node) completed() error {
	n.owing = false
	return n.state.Audit.Record(audit.Entry{
		Actor: nodeActor, Action: audit.Complete, Verdict: audit.Done, List: n.listHash(),
		Detail: "a request that a failure had cut off was recorded before it, and holds",
	})
}

// normalizers returns the rules for ids of a type that the party matches by, or of all of them.
func (n *Node) normalizers(t ids.Type) ([]ids.Normalizer, error) {
	matched, err := n.config.Matched(n.agreement)
	if err != nil {
		return nil, err
	}
	var found []ids.Normalizer
	var types []string
	for _, m := range matched {
		types = append(types, string(m.Identity.Type))
		if t == "" || t == m.Identity.Type {
			found = append(found, m.Normalizer)
		}
	}
	if found == nil {
		return nil, fault.New(fault.Invalid, "customers here have no id of type %.20q", t).WithHint("they have: " + strings.Join(types, ", "))
	}
	return found, nil
}

func identify(normalizers []ids.Normalizer, written string) []ids.ID {
	var found []ids.ID
	for _, normalizer := range normalizers {
		if id, ok := normalizer.ID(written); ok {
			found = append(found, id)
		}
	}
	return found
}

// obey makes what was recorded of some ids hold, and returns how many customers they are. The caller holds n.changing.
func (n *Node) obey(kind subjects.Kind, of []ids.ID) (int, error) {
	n.viewing.Lock()
	snapshot, before, where := n.current.snapshot, n.told, n.current.slotted
	n.viewing.Unlock()
	concerned := snapshot.Find(of)
	told := make(said, len(before)+len(concerned))
	for customer, states := range before {
		told[customer] = states
	}
	for _, customer := range concerned {
		delete(told, customer)
		for _, id := range idsOf(snapshot, customer) {
			if state, ok := n.state.Subjects.State(id); ok {
				told[customer] = append(told[customer], state)
			}
		}
	}
	n.viewing.Lock()
	n.look(snapshot, told, where) // at once, also of those who are erased: what is stored may fail
	n.viewing.Unlock()
	if kind != subjects.Erase {
		return len(concerned), nil
	}
	if err := n.forget(allIDs(snapshot, concerned, of)); err != nil {
		return 0, err
	}
	n.trace("subject: forgotten")
	snapshot = n.without(snapshot, concerned)
	stored := n.nameOf(snapshot)
	if err := n.state.Members.KeepSnapshot(stored, snapshot.IDs, n.now()); err != nil {
		return 0, err
	}
	told = told.without(concerned)
	less := make([]slotted, len(where))
	for i, s := range where {
		less[i] = s.without(concerned)
	}
	n.viewing.Lock()
	defer n.viewing.Unlock()
	n.storedAs = stored
	n.look(snapshot, told, less)
	return len(concerned), nil
}

// idsOf returns all ids of a customer, first the one that counts.
func idsOf(s *customers.Snapshot, customer int) []ids.ID {
	all := []ids.ID{s.IDs[customer]}
	at, _ := slices.BinarySearchFunc(s.Aliases, uint32(customer), func(a customers.Alias, c uint32) int { return int(int64(a.Customer) - int64(c)) })
	for ; at < len(s.Aliases) && s.Aliases[at].Customer == uint32(customer); at++ {
		all = append(all, s.Aliases[at].ID)
	}
	return all
}

// allIDs returns some ids and all others of the customers who have them.
func allIDs(s *customers.Snapshot, concerned []int, of []ids.ID) []ids.ID {
	all := slices.Clone(of)
	for _, customer := range concerned {
		all = append(all, idsOf(s, customer)...)
	}
	return all
}
