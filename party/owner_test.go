package party

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/rpc"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/state"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// serve puts the node on the air; stop takes it off again, as the end of the test does, and waits until all calls have ended.
func (w *world) serve() (address string, stop func()) {
	w.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	node := w.Node
	go func() { served <- node.Serve(ctx, listener) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			w.must(<-served)
		}
	}
	w.Cleanup(stop)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if info, err := os.Stat(w.socket()); err == nil && info.Mode().Perm() == 0o600 {
			return listener.Addr().String(), stop
		}
		if time.Now().After(deadline) {
			w.Fatal("the node does not come up")
		}
	}
}

func (w *world) socket() string { return state.Socket(w.state.Folder) }

// dial connects somebody to the node.
func (w *world) dial(name, target string) *grpc.ClientConn {
	w.Helper()
	connection, err := grpc.NewClient(target, append(rpc.DialOptions(), rpc.ClientCredentials(w.keys[name].ClientTLS(w.key.Public())))...)
	w.must(err)
	w.Cleanup(func() { _ = connection.Close() })
	return connection
}

// owner returns what the node's owner sees when somebody connects with a name's key.
func (w *world) owner(name string) sottov1.OwnerClient {
	w.Helper()
	return sottov1.NewOwnerClient(w.dial(name, "unix://"+w.socket()))
}

func begin(kind sottov1.SubjectKind, purpose string) *sottov1.SubjectsRequest {
	return &sottov1.SubjectsRequest{Message: &sottov1.SubjectsRequest_Start{Start: &sottov1.SubjectsStart{Kind: kind, Purpose: purpose}}}
}

func these(ids ...string) *sottov1.SubjectsRequest {
	return &sottov1.SubjectsRequest{Message: &sottov1.SubjectsRequest_Ids{Ids: &sottov1.SubjectIDs{Ids: ids}}}
}

// tell streams a subject request.
func tell(ctx context.Context, owner sottov1.OwnerClient, messages ...*sottov1.SubjectsRequest) (*sottov1.SubjectsResponse, error) {
	stream, err := owner.Subjects(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if stream.Send(m) != nil { // CloseAndRecv says why
			break
		}
	}
	return stream.CloseAndRecv()
}

const (
	withdraw = sottov1.SubjectKind_SUBJECT_KIND_WITHDRAW
	erase    = sottov1.SubjectKind_SUBJECT_KIND_ERASE
	restore  = sottov1.SubjectKind_SUBJECT_KIND_RESTORE
)

// Only the node's own key and those of the administrators get through the handshake on the socket, which nobody else's account
// reaches; what they have done is on record under their names.
func TestOwnerKeys(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	address, stop := w.serve()
	before := len(w.entries())
	for _, name := range []string{"coordinator", "ana", "bank", "stranger"} {
		_, err := w.owner(name).Status(t.Context(), &sottov1.StatusRequest{})
		if !fault.IsKind(err, fault.NotMember) {
			t.Errorf("%s: %v", name, err)
		}
		raw, err := net.Dial("unix", w.socket())
		w.must(err)
		conn := tls.Client(raw, w.keys[name].ClientTLS(w.key.Public()))
		if err := conn.Handshake(); err == nil { // in TLS 1.3 the server's verdict comes after it
			_, err = conn.Read(make([]byte, 1))
			if err == nil || !strings.Contains(err.Error(), "bad certificate") {
				t.Errorf("%s: %v", name, err)
			}
		}
		_ = conn.Close()
	}
	anonymous, err := net.Dial("unix", w.socket())
	w.must(err)
	conn := tls.Client(anonymous, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err == nil {
		if _, err = conn.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("somebody without a key: %v", err)
		}
	}
	_ = conn.Close()
	// Nor is the service to be had where the coordinator connects, or the coordinator's where the owner does.
	for _, name := range []string{"coordinator", "shop"} {
		_, err := sottov1.NewOwnerClient(w.dial(name, address)).Status(t.Context(), &sottov1.StatusRequest{})
		if !fault.IsKind(err, fault.Unsupported) {
			t.Errorf("%s at the coordinator's door: %v", name, err)
		}
	}
	_, err = sottov1.NewPartyClient(w.dial("privacy_desk", "unix://"+w.socket())).Describe(t.Context(), &sottov1.DescribeRequest{})
	if !fault.IsKind(err, fault.Unsupported) {
		t.Errorf("a party's service on the socket: %v", err)
	}
	if n := len(w.entries()); n != before {
		t.Errorf("%d entries are on record of those who were refused", n-before)
	}

	desk, own := w.owner("privacy_desk"), w.owner("shop")
	status, err := desk.Status(t.Context(), &sottov1.StatusRequest{})
	if err != nil || status.GetParty() != "shop" || status.GetCustomers() != 6 || status.GetPurposes()[0].GetCustomers() != 3 {
		t.Errorf("the status is %v, error %v", status, err)
	}
	_, err = tell(t.Context(), desk, begin(withdraw, "ads"), these("a"))
	w.must(err)
	_, err = tell(t.Context(), own, begin(erase, ""), these("b"))
	w.must(err)
	_, err = desk.Access(t.Context(), &sottov1.AccessRequest{Id: "c"})
	w.must(err)
	_, err = own.Refresh(t.Context(), &sottov1.RefreshRequest{})
	w.must(err)
	_, err = desk.Purge(t.Context(), &sottov1.PurgeRequest{})
	w.must(err)
	_, err = tell(t.Context(), desk, begin(restore, ""), these("b"))
	w.must(err)
	var got []string
	for _, e := range w.entries()[before:] {
		got = append(got, fmt.Sprintf("%s %s", e.Actor, e.Action))
	}
	want := []string{"privacy_desk withdraw", "owner erase", "privacy_desk access", "owner refresh", "privacy_desk purge", "privacy_desk restore"}
	if !slices.Equal(got, want) {
		t.Errorf("on record are %q, want %q", got, want)
	}

	socket := w.socket()
	if info, err := os.Stat(socket); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket's mode is %v, error %v", info.Mode(), err)
	}
	stop()
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket after the node's end: %v", err)
	}
	if last := w.entries(); last[len(last)-1].Action != audit.Stop {
		t.Error("the end is not on record")
	}
}

// A node that was killed has left its socket behind; the next one takes its place.
func TestSocketLeftBehind(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: w.socket()})
	w.must(err)
	left.SetUnlinkOnClose(false)
	w.must(left.Close())
	w.serve()
	_, err = w.owner("shop").Status(t.Context(), &sottov1.StatusRequest{})
	w.must(err)
}

// A subject request is heard as far as its ids make sense, all at once; what does not belong in one is refused, and leaves nothing.
func TestSubjectRequests(t *testing.T) {
	w := newWorld(t, strings.Replace(shopYAML, "type: opaque", "type: email", 1), strings.NewReplacer(
		"\na,", "\na@x.de,", "\nb,", "\nb@x.de,", "\nc,", "\nc@x.de,", "\nd,", "\nd@x.de,", "\ne,", "\ne@x.de,", "\nf,", "\nf@x.de,").Replace(shopCSV))
	w.serve()
	owner := w.owner("shop")
	before, rows := w.state.Subjects.Head(), len(w.entries())
	refused := 0
	at := func(m *sottov1.SubjectsRequest, received int64) *sottov1.SubjectsRequest {
		m.GetStart().Received = received
		return m
	}
	typed := begin(withdraw, "")
	typed.GetStart().Type = "phone"
	for what, c := range map[string]struct {
		kind     fault.Kind
		messages []*sottov1.SubjectsRequest
	}{
		"nothing":                      {fault.Protocol, nil},
		"no start":                     {fault.Protocol, []*sottov1.SubjectsRequest{these("a@x.de")}},
		"no kind":                      {fault.Protocol, []*sottov1.SubjectsRequest{begin(0, ""), these("a@x.de")}},
		"an unknown kind":              {fault.Protocol, []*sottov1.SubjectsRequest{begin(17, ""), these("a@x.de")}},
		"two starts":                   {fault.Protocol, []*sottov1.SubjectsRequest{begin(withdraw, ""), these("a@x.de"), begin(erase, ""), these("b@x.de")}},
		"an empty message":             {fault.Protocol, []*sottov1.SubjectsRequest{begin(withdraw, ""), these("a@x.de"), {}}},
		"an unknown purpose":           {fault.Purpose, []*sottov1.SubjectsRequest{begin(withdraw, "stalking"), these("a@x.de")}},
		"an unknown purpose, restored": {fault.Purpose, []*sottov1.SubjectsRequest{begin(restore, "stalking"), these("a@x.de")}},
		"an erasure of a purpose":      {fault.Invalid, []*sottov1.SubjectsRequest{begin(erase, "ads"), these("a@x.de")}},
		"another type of id":           {fault.Invalid, []*sottov1.SubjectsRequest{typed, these("a@x.de")}},
		"in the future":                {fault.Invalid, []*sottov1.SubjectsRequest{at(begin(withdraw, ""), w.clock.Load()+1), these("a@x.de")}},
		"in the far future":            {fault.Invalid, []*sottov1.SubjectsRequest{at(begin(withdraw, ""), 1<<62), these("a@x.de")}},
		"before 1970":                  {fault.Invalid, []*sottov1.SubjectsRequest{at(begin(erase, ""), -1), these("a@x.de")}},
		"long before":                  {fault.Invalid, []*sottov1.SubjectsRequest{at(begin(withdraw, ""), -1<<62), these("a@x.de")}},
	} {
		if r, err := tell(t.Context(), owner, c.messages...); !fault.IsKind(err, c.kind) {
			t.Errorf("%s: %v, error %v, want %s", what, r, err, c.kind)
		}
		if c.kind != fault.Protocol { // which is nobody's request
			refused++
		}
	}
	for _, received := range []int64{w.clock.Load() + 1, 1 << 62, -1, -1 << 62} {
		if _, err := owner.Access(t.Context(), &sottov1.AccessRequest{Id: "a@x.de", Received: received}); !fault.IsKind(err, fault.Invalid) {
			t.Errorf("access, received at %d: %v", received, err)
		}
		refused++
	}
	if after := w.state.Subjects.Head(); after != before {
		t.Errorf("a refused request has left something: %v, before %v", after, before)
	}
	recorded := w.entries()[rows:]
	if len(recorded) != refused {
		t.Errorf("%d refused requests are on record, want %d", len(recorded), refused)
	}
	for _, e := range recorded {
		if e.Verdict != audit.Refused || e.Actor != "owner" || e.Reason == "" || e.Subjects != 0 {
			t.Errorf("recorded %+v", e)
		}
	}

	for n, c := range []struct {
		messages []*sottov1.SubjectsRequest
		want     *sottov1.SubjectsResponse
		ads      string
	}{
		{
			[]*sottov1.SubjectsRequest{begin(withdraw, "ads"), these("nonsense", "A@X.de", ""), these(), these("stranger@x.de", "a@x", "@", " a@x.de\n", "é")},
			&sottov1.SubjectsResponse{Recorded: 4, Customers: 1, Malformed: []int64{0, 2, 5, 7}, MalformedCount: 4}, "b f",
		},
		{[]*sottov1.SubjectsRequest{begin(withdraw, ""), these("?", "!")}, &sottov1.SubjectsResponse{Malformed: []int64{0, 1}, MalformedCount: 2}, "b f"},
		{[]*sottov1.SubjectsRequest{begin(withdraw, "")}, &sottov1.SubjectsResponse{}, "b f"},
		{[]*sottov1.SubjectsRequest{at(begin(withdraw, ""), 1), these("b@x.de")}, &sottov1.SubjectsResponse{Recorded: 1, Customers: 1}, "f"},
		{[]*sottov1.SubjectsRequest{begin(restore, ""), these("a@x.de")}, &sottov1.SubjectsResponse{Recorded: 1, Customers: 1}, "a f"},
	} {
		r, err := tell(t.Context(), owner, c.messages...)
		if err != nil || r.String() != c.want.String() {
			t.Errorf("request %d: %v, error %v, want %v", n, r, err, c.want)
		}
		if got := w.taking("ads"); got != strings.ReplaceAll(c.ads, " ", "@x.de")+"@x.de" {
			t.Errorf("after request %d: %s may take part, want %s", n, got, c.ads)
		}
	}
}

// A request that breaks off on its way is nobody's.
func TestSubjectRequestBreaksOff(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	_, stop := w.serve()
	rows := w.state.Subjects.Head().Rows
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := w.owner("shop").Subjects(ctx)
	w.must(err)
	w.must(stream.Send(begin(withdraw, "")))
	for range 200 { // more than is under way at a time, so that the node is at work on it
		w.must(stream.Send(these(append(make([]string, 1000), "a", strings.Repeat("b", 8000))...)))
	}
	cancel()
	stop() // which waits for the node to end it
	if got := w.taking("planning"); got != "abcdef" || w.state.Subjects.Head().Rows != rows {
		t.Errorf("it was recorded: %s may take part", got)
	}
}

// A request may have as many ids as a company has customers, and more malformed ones than anybody wants to read.
func TestLargeSubjectRequest(t *testing.T) {
	const customers, all, wrong = 20_000, 100_000, 1_500
	var csv strings.Builder
	csv.WriteString("id\n")
	for i := range customers {
		fmt.Fprintf(&csv, "customer%d@x.de\n", i)
	}
	w := newWorld(t, `name: shop
source: {csv: customers.csv}
identity: {column: id, type: email}
customers_up_to: 100000
purposes: {planning: {consent: "true"}}
`, csv.String())
	w.serve()
	messages := []*sottov1.SubjectsRequest{begin(withdraw, "")}
	for first := 0; first < all; first += 1000 {
		var some []string
		for i := first; i < first+1000; i++ {
			if some = append(some, fmt.Sprintf("customer%d@x.de", i)); i < 2*wrong && i%2 == 1 {
				some[len(some)-1] = fmt.Sprintf("customer%d", i)
			}
		}
		messages = append(messages, these(some...))
	}
	r, err := tell(t.Context(), w.owner("shop"), messages...)
	w.must(err)
	if r.GetRecorded() != all-wrong || r.GetCustomers() != customers-wrong || r.GetMalformedCount() != wrong || len(r.GetMalformed()) != 1000 || r.GetMalformed()[999] != 1999 {
		t.Errorf("recorded %d of %d customers, malformed %d, of which %d are shown", r.GetRecorded(), r.GetCustomers(), r.GetMalformedCount(), len(r.GetMalformed()))
	}
	if left, _ := w.view().purpose("planning"); left.count() != wrong {
		t.Errorf("%d may take part, want %d", left.count(), wrong)
	}
}
