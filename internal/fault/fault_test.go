package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/fault"
)

var kinds = []fault.Kind{
	fault.Invalid, fault.Unknown, fault.NotMember, fault.Limit, fault.Budget, fault.Unsupported, fault.Expired, fault.Stale,
	fault.Unavailable, fault.Protocol, fault.Cancelled, fault.NotFound, fault.Internal,
}

// Every kind crosses the wire with its party, message and hint, and clients that know only gRPC see a fitting code, never
// Unknown and never OK. An internal error arrives without its words.
func TestRoundTripThroughStatus(t *testing.T) {
	for _, kind := range kinds {
		sent := fault.New(kind, "epsilon 30: must be at most %d", 20).WithParty("bank").WithHint("ask for less").
			Wrap(errors.New("the cause"))
		err := fault.ToStatus(fmt.Errorf("prepare: %w", sent))
		if code := status.Code(err); code == codes.OK || code == codes.Unknown {
			t.Errorf("%s: code is %s", kind, code)
		}
		got := fault.From(err)
		want := fault.Error{Kind: kind, Party: "bank", Message: "epsilon 30: must be at most 20", Hint: "ask for less"}
		if kind == fault.Internal {
			want.Message, want.Hint = "internal error", ""
		}
		if *got != want {
			t.Errorf("%s: got %#v, want %#v", kind, *got, want)
		}
		if strings.Contains(fmt.Sprint(err, status.Convert(err).Proto()), "the cause") {
			t.Errorf("%s: the cause left the process", kind)
		}
		if !fault.IsKind(err, kind) || fault.IsKind(err, "other") {
			t.Errorf("%s: IsKind is wrong", kind)
		}
	}
}

// An error that nobody typed tells a peer nothing: it can hold anything. At home it stays whole.
func TestUntypedErrorsAreStripped(t *testing.T) {
	secret := &fs.PathError{Op: "open", Path: "/srv/customers/jon@example.com", Err: fs.ErrPermission}
	home := fault.From(fmt.Errorf("load: %w", secret))
	if home.Kind != fault.Internal || !errors.Is(home, fs.ErrPermission) || !strings.Contains(home.Error(), "jon@example.com") {
		t.Errorf("at home the error is %v", home)
	}
	if sent := fault.ToStatus(secret); strings.Contains(status.Convert(sent).Proto().String(), "jon") {
		t.Errorf("sent %v", sent)
	}
	// A kind that is not in the table is a mistake here, and must not become a way around the stripping.
	if sent := fault.ToStatus(fault.New("oops", "jon@example.com")); strings.Contains(status.Convert(sent).Proto().String(), "jon") {
		t.Errorf("sent %v", sent)
	}
}

// What other code returns gets the kind that callers branch on: contexts, gRPC itself, other people's servers.
func TestFromForeignErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
		says string
	}{
		"cancelled":         {fmt.Errorf("x: %w", context.Canceled), fault.Cancelled, "cancelled"},
		"deadline":          {fmt.Errorf("x: %w", context.DeadlineExceeded), fault.Unavailable, "in time"},
		"status cancelled":  {status.Error(codes.Canceled, "gone"), fault.Cancelled, "gone"},
		"status deadline":   {status.Error(codes.DeadlineExceeded, "late"), fault.Unavailable, "late"},
		"unavailable":       {fmt.Errorf("x: %w", status.Error(codes.Unavailable, "down")), fault.Unavailable, "down"},
		"unknown method":    {status.Error(codes.Unimplemented, "unknown method"), fault.Unsupported, "unknown method"},
		"message too large": {status.Error(codes.ResourceExhausted, "too large"), fault.Protocol, "too large"},
		"foreign panic":     {status.Error(codes.Unknown, "jon@example.com"), fault.Internal, "internal error"},
		"fault inside":      {fmt.Errorf("x: %w", fault.New(fault.Budget, "spent")), fault.Budget, "spent"},
		"fault over cancel": {fault.New(fault.Protocol, "bad").Wrap(context.Canceled), fault.Protocol, "bad"},
		"refused by peer": {
			status.Error(codes.Unavailable, `connection error: desc = "error reading server preface: remote error: tls: bad certificate"`),
			fault.NotMember, "refused this node's certificate",
		},
		"nobody listens": {
			status.Error(codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial tcp: no"`),
			fault.Unavailable, "cannot connect: dial tcp: no",
		},
	} {
		got := fault.From(c.err)
		if got.Kind != c.kind || !strings.Contains(got.Error(), c.says) || got.Error() != fault.From(got).Error() {
			t.Errorf("%s: got %s: %v, want %s with %q", name, got.Kind, got, c.kind, c.says)
		}
	}
	if fault.From(nil) != nil || fault.ToStatus(nil) != nil || fault.IsKind(nil, fault.Internal) {
		t.Error("nil is an error")
	}
}

// A fault is shared (package variables, several goroutines): adding a hint to one must not change the other.
func TestFaultsAreValues(t *testing.T) {
	base := fault.New(fault.NotFound, "no query %q", "q1")
	changed := base.WithHint("h").WithParty("bank").Wrap(fs.ErrNotExist)
	if base.Hint != "" || base.Party != "" || errors.Unwrap(base) != nil || base.Error() != `no query "q1"` {
		t.Errorf("the original changed to %#v", base)
	}
	if changed.Error() != `bank: no query "q1": file does not exist` || !errors.Is(changed, fs.ErrNotExist) {
		t.Errorf("the copy is %v", changed)
	}
}

// A hostile peer's status neither drives the reader's terminal nor fills it, and cannot invent a kind.
func TestHostileStatus(t *testing.T) {
	hostile := func(reason, domain, text string) error {
		s, err := status.New(codes.NotFound, text).WithDetails(&errdetails.ErrorInfo{
			Reason: reason, Domain: domain, Metadata: map[string]string{"party": text, "hint": text},
		})
		if err != nil {
			t.Fatal(err)
		}
		return s.Err()
	}
	for _, reason := range []string{"budget", "made up"} {
		got := fault.From(hostile(reason, "sotto", "\x1b[2J\r\u202e"+strings.Repeat("é", 5000)))
		for _, text := range []string{got.Message, got.Hint, got.Party} {
			if len(text) > 2048 || strings.ContainsAny(text, "\x1b\r\u202e") || !utf8.ValidString(text) {
				t.Errorf("%s: %d bytes: %.40q", reason, len(text), text)
			}
		}
		if want := map[string]fault.Kind{"budget": fault.Budget, "made up": fault.NotFound}[reason]; got.Kind != want {
			t.Errorf("%s: kind is %s, want %s", reason, got.Kind, want)
		}
	}
	if got := fault.From(hostile("budget", "example.com", "x")); got.Kind != fault.NotFound {
		t.Errorf("another domain's reason: kind is %s", got.Kind)
	}
}

// Whatever ends up in a message, the reply can be sent: gRPC would otherwise fail to encode invalid UTF-8.
func TestAnyTextCanBeSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, name)) }
		kind := rapid.SampledFrom(kinds[:len(kinds)-1]).Draw(t, "kind")
		sent := fault.New(kind, "%s", text("message")).WithParty(text("party")).WithHint(text("hint"))
		once := fault.From(fault.ToStatus(sent))
		if again := fault.From(fault.ToStatus(once)); *again != *once || once.Kind != kind {
			t.Fatalf("relayed %#v, was %#v", again, once)
		}
	})
}
