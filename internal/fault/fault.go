// Package fault is the one typed error that crosses RPCs, the SDK and the command line.
//
// A fault says what kind of thing went wrong, at whose node, in words for a person, and what to do about it. Its
// kind, party, message and hint travel over gRPC ([ToStatus], [From]); its cause never leaves the process. An error
// that is not a fault becomes [Internal]: its text stays where it happened, and the peer reads "internal error".
//
// Messages and hints are shown to people at other companies: they MUST NOT hold a customer's value or an exact count.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind is the class of a fault; programs branch on it. Its text is part of the wire and does not change.
type Kind string

const (
	// Invalid: the question, file or input is malformed; sending it again will not help.
	Invalid Kind = "invalid"
	// Unknown: no party, segment, dimension or value of that name.
	Unknown Kind = "unknown_name"
	// NotMember: the key is not in the agreement, or has no right to this.
	NotMember Kind = "not_a_member"
	// Limit: above a limit that the agreement or a policy sets for one query.
	Limit Kind = "limit"
	// Size: larger than can be planned: too many parties, cells, customers or parts of an audience.
	Size Kind = "size"
	// Purpose: not a purpose that the party answers questions for.
	Purpose Kind = "purpose"
	// Budget: the privacy budget is spent.
	Budget Kind = "budget"
	// Unsupported: well-formed, but nothing here can do it.
	Unsupported Kind = "unsupported"
	// Expired: a signed question, a session or a certificate is past its time.
	Expired Kind = "expired"
	// Stale: the catalog, the agreement or the snapshot has changed since.
	Stale Kind = "stale"
	// Unavailable: a node is down, too slow, or went away; trying again later may help.
	Unavailable Kind = "unavailable"
	// Protocol: somebody broke the protocol. Trying again will not help; asking why may.
	Protocol Kind = "protocol"
	// Cancelled: the caller gave up.
	Cancelled Kind = "cancelled"
	// NotFound: no such query, answer or file.
	NotFound Kind = "not_found"
	// Internal: a defect here; the details are in this node's log only.
	Internal Kind = "internal"
)

// Error is a fault. It is a value that does not change: the With… methods and Wrap return copies.
type Error struct {
	Kind    Kind
	Party   string // at whose node it happened: a party's name, "coordinator", or "" for here
	Message string // lower case, what was attempted, the offending value, the rule
	Hint    string // what the reader can do about it, or ""

	cause error // stays in this process
}

// New returns a fault whose message is formatted as by [fmt.Sprintf]. Use [Error.Wrap] for a cause, not %w.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns a copy of e that tells the reader what to do.
func (e *Error) WithHint(hint string) *Error {
	changed := *e
	changed.Hint = hint
	return &changed
}

// WithParty returns a copy of e that says at whose node it happened. Whoever relays a fault sets the party itself: what
// a peer claims about a third one proves nothing.
func (e *Error) WithParty(name string) *Error {
	changed := *e
	changed.Party = name
	return &changed
}

// Wrap returns a copy of e with a cause, for [errors.Is] and this node's log; a peer never reads it.
func (e *Error) Wrap(cause error) *Error {
	changed := *e
	changed.cause = cause
	return &changed
}

// Error returns "party: message: cause", without what is empty and without the hint.
func (e *Error) Error() string {
	parts := make([]string, 0, 3)
	if e.Party != "" {
		parts = append(parts, e.Party)
	}
	parts = append(parts, e.Message)
	if e.cause != nil {
		parts = append(parts, e.cause.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// From returns err as a fault, nil for nil. The outermost fault in err's chain is returned as it is. Otherwise the end of
// a context becomes [Cancelled] or [Unavailable], a gRPC status the fault that the peer sent or the kind nearest to its
// code, and everything else [Internal] with err as its cause.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var typed *Error
	if errors.As(err, &typed) {
		return typed
	}
	var remote statusError
	switch {
	case errors.As(err, &remote):
		return fromStatus(remote.GRPCStatus())
	case errors.Is(err, context.Canceled):
		return New(Cancelled, "cancelled").Wrap(err)
	case errors.Is(err, context.DeadlineExceeded):
		return New(Unavailable, "no answer in time").Wrap(err)
	default:
		return New(Internal, internalMessage).Wrap(err)
	}
}

// IsKind reports whether err, taken as a fault by [From], is of that kind. Nil is of no kind.
func IsKind(err error, kind Kind) bool {
	return err != nil && From(err).Kind == kind
}
