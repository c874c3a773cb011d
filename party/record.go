package party

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/members"
)

// nodeActor is who acts, in records, when the node does so by itself.
const nodeActor = "node"

// maxReason is how many bytes of an error are told of why a question was refused.
const maxReason = 900

// describe notes what a question says whose analyst has signed it.
func (n *Node) describe(q *query.Query, v *view, asked *audit.Entry) {
	id := q.ID()
	analyst, _ := n.agreement.Analyst(q.Analyst)
	asked.Actor, asked.Organisation, asked.Query = q.Analyst, analyst.Budget(), hex.EncodeToString(id[:])
	asked.Purpose, asked.Audience, asked.Measure, asked.MicroEpsilon = q.Purpose, q.Audience, q.Measure, q.MicroEpsilon
	if q.Amount.Name != "" {
		asked.Measure += " of " + q.Amount.FullName()
	}
	view := v.id(q.Purpose)
	asked.View = hex.EncodeToString(view[:])
}

// refused records that a question has no answer here, or that a person's request was not met, and returns why.
func (n *Node) refused(asked audit.Entry, why error) error {
	reason := fault.From(why)
	if len(reason.Message) > maxReason { // it quotes the question, whose texts can be long; the log of requests has it, too
		short := *reason
		short.Message = strings.ToValidUTF8(reason.Message[:maxReason], "") + "…"
		reason, why = &short, &short
	}
	asked.Verdict, asked.Reason = audit.Refused, reason.Message
	if reason.Kind == fault.Internal || reason.Kind == fault.Unavailable || reason.Kind == fault.Cancelled {
		asked.Verdict = audit.Failed
	}
	if asked.Actor == "" { // nobody signed it
		asked.Actor = agreement.CoordinatorName
	}
	if err := n.state.Audit.Record(asked); err != nil {
		return reason.Wrap(errors.Join(why, err))
	}
	return why
}

// accepted records that a question goes on, and whose data it is over, before anything of it leaves; it returns those who take
// part.
func (n *Node) accepted(id [16]byte, v *view, asked audit.Entry) (taking []uint64, err error) {
	taking, ok := v.purpose(asked.Purpose)
	if !ok {
		return nil, fmt.Errorf("there is no purpose %q", asked.Purpose)
	}
	if err := n.state.Members.KeepView(members.View{
		ID: v.id(asked.Purpose), Snapshot: v.storedAs, Purpose: asked.Purpose, At: n.now(), Taking: taking,
	}); err != nil {
		return nil, err
	}
	n.trace("prepare: view kept")
	asked.Verdict = audit.Accepted
	return taking, n.state.Audit.Record(asked)
}

// lapsed records that a question ended here without an answer, and why.
func (n *Node) lapsed(s *session, why error) error {
	entry := s.asked
	entry.Action, entry.Verdict, entry.Reason = audit.Lapse, audit.Done, fault.From(why).Message
	return n.state.Audit.Record(entry)
}

// start records that the node is on the air, and whether its config or the agreement is another one than before.
func (n *Node) start() error {
	declared, err := n.config.Encode()
	if err != nil {
		return err
	}
	own, agreed := sha256.Sum256(declared), n.agreement.Hash()
	entry := audit.Entry{
		Actor: nodeActor, Action: audit.Start, Verdict: audit.Done,
		Config: hex.EncodeToString(own[:]), Agreement: hex.EncodeToString(agreed[:]),
	}
	var before audit.Entry
	var heard *audit.Entry
	if err := n.state.Audit.Entries(func(e audit.Entry) error {
		if e.Config != "" {
			before = e
		}
		if e.List != "" {
			heard = &e
		}
		if e.Action == audit.Match && e.Actor == agreement.CoordinatorName && e.Verdict == audit.Done {
			n.scheduled = e.At
		}
		return nil
	}); err != nil {
		return err
	}
	if n.owing = n.owes(heard); n.owing {
		if err := n.forgetErased(nil); err != nil { // the refresh that follows does the rest, once the source is there
			return err
		}
	}
	if before.Config != entry.Config || before.Agreement != entry.Agreement {
		changed := entry
		changed.Actor, changed.Action = config.OwnerName, audit.Configure
		if err := n.state.Audit.Record(changed); err != nil {
			return err
		}
	}
	return n.state.Audit.Record(entry)
}

// stopped records that the node goes off the air in good order.
func (n *Node) stopped() error {
	return n.state.Audit.Record(audit.Entry{Actor: nodeActor, Action: audit.Stop, Verdict: audit.Done})
}
