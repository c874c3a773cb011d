package party

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/subjects"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// owner answers the owner of the customers, and the administrators whom the party's file names.
type owner struct {
	sottov1.UnimplementedOwnerServer
	*Node
}

// maxSubjects is how many ids a subject request can have: they are held in memory until all are there.
const maxSubjects = 10_000_000

// actor returns who calls.
func (o *owner) actor(ctx context.Context) (string, error) {
	key, err := identity.PeerKey(ctx)
	if err != nil {
		return "", err
	}
	if key == o.key.Public() {
		return config.OwnerName, nil
	}
	if name, ok := o.config.Administrator(key); ok {
		return name, nil
	}
	return "", fault.New(fault.NotMember, "key %s is not that of an administrator", key)
}

// Status returns what the node computes on.
func (o *owner) Status(context.Context, *sottov1.StatusRequest) (*sottov1.StatusResponse, error) {
	return o.status(), nil
}

func (o *owner) status() *sottov1.StatusResponse {
	v := o.view()
	o.viewing.Lock()
	loaded, failed := o.loaded, o.failed
	o.viewing.Unlock()
	status := &sottov1.StatusResponse{
		Party: o.config.Name, Version: v.version[:], Loaded: loaded.Unix(), Customers: int64(len(v.snapshot.IDs)), Sessions: int64(o.Sessions()),
	}
	for p, purpose := range v.snapshot.Purposes {
		status.Purposes = append(status.Purposes, &sottov1.PurposeStatus{Purpose: purpose, Customers: int64(v.taking[p].count())})
	}
	if len(v.slotted) > 0 {
		newest := v.slotted[0]
		status.Matched, status.Slots, status.WithoutSlot = newest.At.Unix(), newest.Slots, int64(v.missing(newest))
	}
	if failed != nil {
		status.RefreshFailed = failed.Error()
	}
	return status
}

// Refresh loads the customers anew.
func (o *owner) Refresh(ctx context.Context, _ *sottov1.RefreshRequest) (*sottov1.RefreshResponse, error) {
	actor, err := o.actor(ctx)
	if err != nil {
		return nil, err
	}
	changed, err := o.Node.Refresh(ctx, actor)
	if err != nil {
		return nil, err
	}
	return &sottov1.RefreshResponse{Status: o.status(), Changed: changed}, nil
}

// Purge destroys what is kept too long.
func (o *owner) Purge(ctx context.Context, r *sottov1.PurgeRequest) (*sottov1.PurgeResponse, error) {
	actor, err := o.actor(ctx)
	if err != nil {
		return nil, err
	}
	purged, err := o.Node.Purge(actor, r.GetDryRun())
	if err != nil {
		return nil, err
	}
	response := &sottov1.PurgeResponse{}
	for _, p := range purged {
		response.Purged = append(response.Purged, &sottov1.Purged{What: p.What, At: p.At.Unix()})
	}
	return response, nil
}

var kinds = map[sottov1.SubjectKind]subjects.Kind{
	sottov1.SubjectKind_SUBJECT_KIND_WITHDRAW: subjects.Withdraw,
	sottov1.SubjectKind_SUBJECT_KIND_ERASE:    subjects.Erase,
	sottov1.SubjectKind_SUBJECT_KIND_RESTORE:  subjects.Restore,
}

// Subjects takes in what customers have said.
func (o *owner) Subjects(stream grpc.ClientStreamingServer[sottov1.SubjectsRequest, sottov1.SubjectsResponse]) error {
	actor, err := o.actor(stream.Context())
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	start := first.GetStart()
	kind, ok := kinds[start.GetKind()]
	if start == nil || !ok {
		return fault.New(fault.Protocol, "a subject request does not begin with a start")
	}
	var written []string
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err // half of the ids is nobody's request
		}
		some, ok := m.GetMessage().(*sottov1.SubjectsRequest_Ids)
		if !ok {
			return fault.New(fault.Protocol, "there is a message among the ids of a subject request that has none")
		}
		written = append(written, some.Ids.GetIds()...)
		if len(written) > maxSubjects {
			return fault.New(fault.Size, "more than %d ids in one request", maxSubjects).WithHint("send them in several")
		}
	}
	heard, err := o.Hear(actor, kind, start.GetPurpose(), ids.Type(start.GetType()), written, o.received(start.GetReceived()))
	if err != nil {
		return err
	}
	response := &sottov1.SubjectsResponse{
		Recorded: int64(heard.Recorded), Customers: int64(heard.Customers), MalformedCount: int64(len(heard.Malformed)),
	}
	const most = 1000
	for _, position := range heard.Malformed[:min(most, len(heard.Malformed))] {
		response.Malformed = append(response.Malformed, int64(position))
	}
	return stream.SendAndClose(response)
}

func (o *owner) received(at int64) time.Time {
	if at == 0 {
		return o.now()
	}
	return time.Unix(at, 0)
}

// Access returns what the node holds on a person.
func (o *owner) Access(ctx context.Context, r *sottov1.AccessRequest) (*sottov1.AccessResponse, error) {
	actor, err := o.actor(ctx)
	if err != nil {
		return nil, err
	}
	held, err := o.Node.Access(actor, r.GetId(), ids.Type(r.GetType()), o.received(r.GetReceived()))
	if err != nil {
		return nil, err
	}
	response := &sottov1.AccessResponse{
		Customer: held.Customer, Segments: held.Segments, Dimensions: held.Values, KeepUntil: seconds(held.KeepUntil), Erased: seconds(held.Erased),
	}
	for _, a := range held.Amounts {
		response.Amounts = append(response.Amounts, &sottov1.AmountOf{Measure: a.Measure, Known: a.Known, Amount: a.Amount, Unit: a.Unit})
	}
	for _, c := range held.Consents {
		response.Consents = append(response.Consents, &sottov1.ConsentOf{
			Purpose: c.Purpose, TakesPart: c.TakesPart, Why: c.Why, From: seconds(c.From), Until: seconds(c.Until), Withdrawn: seconds(c.Withdrawn),
		})
	}
	for _, q := range held.Questions {
		response.Questions = append(response.Questions, takenPart(q))
	}
	for _, at := range held.Matched {
		response.Matched = append(response.Matched, at.Unix())
	}
	return response, nil
}

// seconds returns Unix seconds, 0 for no time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func takenPart(q audit.Entry) *sottov1.TakenPart {
	return &sottov1.TakenPart{
		At: q.At.Unix(), Query: q.Query, Analyst: q.Actor, Organisation: q.Organisation, Purpose: q.Purpose, Measure: q.Measure,
		Audience: q.Audience, Released: q.Action == audit.Release,
	}
}
