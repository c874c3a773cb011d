package fault

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	errorDomain     = "sotto" // ErrorInfo.domain of all statuses made here
	partyKey        = "party" // ErrorInfo.metadata
	hintKey         = "hint"  // ErrorInfo.metadata
	internalMessage = "internal error"

	// A status travels in HTTP/2 headers, which both sides limit; an error message is read by a person.
	maxMessage = 2048
	maxHint    = 1024
	maxParty   = 63 // as names are
)

// codeOf maps every kind to the gRPC code that says the same to clients that know nothing of faults.
var codeOf = map[Kind]codes.Code{
	Invalid:     codes.InvalidArgument,
	Unknown:     codes.InvalidArgument,
	NotMember:   codes.PermissionDenied,
	Limit:       codes.OutOfRange,
	Size:        codes.OutOfRange,
	Purpose:     codes.PermissionDenied,
	Budget:      codes.ResourceExhausted,
	Unsupported: codes.Unimplemented,
	Expired:     codes.FailedPrecondition,
	Stale:       codes.Aborted,
	Unavailable: codes.Unavailable,
	Protocol:    codes.DataLoss,
	Cancelled:   codes.Canceled,
	NotFound:    codes.NotFound,
	Internal:    codes.Internal,
}

// kindOf is for statuses that gRPC itself, or somebody else's server, made.
var kindOf = map[codes.Code]Kind{
	codes.InvalidArgument:    Invalid,
	codes.PermissionDenied:   NotMember,
	codes.Unauthenticated:    NotMember,
	codes.OutOfRange:         Limit,
	codes.ResourceExhausted:  Protocol, // gRPC's own meaning: a message above the size limit
	codes.Unimplemented:      Unsupported,
	codes.FailedPrecondition: Stale,
	codes.Aborted:            Stale,
	codes.Unavailable:        Unavailable,
	codes.DeadlineExceeded:   Unavailable,
	codes.DataLoss:           Protocol,
	codes.Canceled:           Cancelled,
	codes.NotFound:           NotFound,
}

type statusError interface{ GRPCStatus() *status.Status }

// ToStatus returns err as a gRPC status error that a server may send; nil for nil. It carries [From]'s kind, party,
// message and hint, never the cause, and of an [Internal] error only the kind and the party.
func ToStatus(err error) error {
	if err == nil {
		return nil
	}
	e := From(err)
	code, known := codeOf[e.Kind]
	if !known || e.Kind == Internal {
		e, code = &Error{Kind: Internal, Party: e.Party, Message: internalMessage}, codes.Internal
	}
	info := &errdetails.ErrorInfo{Reason: string(e.Kind), Domain: errorDomain, Metadata: map[string]string{}}
	if party := printable(e.Party, maxParty); party != "" {
		info.Metadata[partyKey] = party
	}
	if hint := printable(e.Hint, maxHint); hint != "" {
		info.Metadata[hintKey] = hint
	}
	plain := status.New(code, printable(e.Message, maxMessage))
	detailed, err := plain.WithDetails(info)
	if err != nil { // no status of code OK and no message that cannot be encoded gets here
		return plain.Err()
	}
	return detailed.Err()
}

// fromStatus reads a status as the peer, who may be hostile, sent it.
func fromStatus(s *status.Status) *Error {
	for _, detail := range s.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != errorDomain {
			continue
		}
		kind := Kind(info.GetReason())
		if _, known := codeOf[kind]; !known {
			continue
		}
		return &Error{
			Kind:    kind,
			Party:   printable(info.GetMetadata()[partyKey], maxParty),
			Message: printable(s.Message(), maxMessage),
			Hint:    printable(info.GetMetadata()[hintKey], maxHint),
		}
	}
	if failed := fromConnection(s); failed != nil {
		return failed
	}
	kind, known := kindOf[s.Code()]
	if !known {
		// An unknown code, or a text such as another server's panic: nothing to pass on to a third party.
		return New(Internal, internalMessage).Wrap(s.Err())
	}
	return New(kind, "%s", printable(s.Message(), maxMessage))
}

// fromConnection makes sense of a connection that could not be made, above all because of a key or a certificate. gRPC
// keeps the reason only as text within an Unavailable status. It returns nil if s is something else.
func fromConnection(s *status.Status) *Error {
	const (
		wrapping = "connection error: desc = "          // then the reason, quoted
		here     = "authentication handshake failed: "  // this side refused the peer's certificate
		there    = "remote error: tls: bad certificate" // the peer refused this side's
	)
	rest, found := strings.CutPrefix(s.Message(), wrapping)
	if !found || s.Code() != codes.Unavailable {
		return nil
	}
	reason, err := strconv.Unquote(rest)
	if err != nil {
		return nil
	}
	reason = strings.TrimPrefix(printable(reason, maxMessage), "transport: ")
	if strings.Contains(reason, there) {
		return New(NotMember, "the other node refused this node's certificate").
			WithHint("check that both nodes hold the same agreement, and that it names this node's key")
	}
	refusal, found := strings.CutPrefix(reason, here)
	switch {
	case !found:
		return New(Unavailable, "cannot connect: %s", strings.TrimPrefix(reason, "Error while dialing: ")).
			WithHint("check that the node runs, and that its address in the agreement is right")
	case strings.Contains(refusal, "not in the agreement"):
		return New(NotMember, "%s", refusal)
	case strings.Contains(refusal, "the certificate expired"), strings.Contains(refusal, "the certificate is valid only"):
		return New(Expired, "%s", refusal)
	default:
		return New(Unavailable, "cannot connect: TLS handshake failed: %s", refusal)
	}
}

// printable returns s cut to at most limit bytes, valid UTF-8, and without control characters other than newline and tab:
// a peer's text must not drive the reader's terminal, nor break the encoding of a reply.
func printable(s string, limit int) string {
	if len(s) > limit {
		cut := limit - len("…")
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r) {
			return '?'
		}
		return r
	}, s)
}
