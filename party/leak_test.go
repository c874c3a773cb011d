package party

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/sotto-dev/sotto/party/subjects"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// lines takes in a log. Safe for concurrent use.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

// Nothing of a customer is to be found in the node's log or in any byte that it keeps: no id in any form, no value, and no exact
// count of people; whatever the owner, the source and malformed requests made it do.
func TestNothingOfCustomersLeaks(t *testing.T) {
	log := &lines{}
	const customers = 3_137
	mail := func(i int) string { return fmt.Sprintf("quirin.zebedee%d@secret-mail.example", i) }
	phone := func(i int) string { return fmt.Sprintf("+49309%06d", 120_000+i) }
	var csv strings.Builder
	csv.WriteString("mail,phone,tier,region,spend,ads\n")
	amounts := map[int]int{}
	for i := range customers {
		amounts[i] = 61_000 + 7*i
		fmt.Fprintf(&csv, "%s,%s,%s,%s,%d.25,%s\n", strings.ToUpper(mail(i)), phone(i), []string{"gold", "xanthic-tier"}[i%2],
			[]string{"north", "ytterby-town"}[i%2], amounts[i], []string{"yes", "nope-never"}[i%2])
	}
	w := newWorld(t, `name: shop
source: {csv: customers.csv}
identity: [{column: mail, type: email}, {column: phone, type: phone}]
customers_up_to: 100000
segments: {gold: "tier = 'gold'"}
dimensions: {region: {sql: region, values: [north, south]}}
measures: {spend: {sql: spend, clip: [0, 90000], step: 1}}
purposes:
  planning: {consent: "true", basis: contract}
  ads: {consent: "ads = 'yes'"}
`, csv.String())
	w.end()
	w.logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	w.begin()
	address, stop := w.serve()
	owner := w.owner("privacy_desk")

	w.asked("planning")
	w.asked("ads")
	who := map[sottov1.SubjectKind][]string{withdraw: {mail(1), phone(2), "not " + mail(3)}, erase: {phone(4), mail(5), "+49" + mail(6)}, restore: {mail(1), phone(5)}}
	for _, kind := range []sottov1.SubjectKind{withdraw, erase, restore} {
		_, err := tell(t.Context(), owner, begin(kind, ""), these(who[kind]...))
		w.must(err)
	}
	_, err := tell(t.Context(), owner, begin(erase, "ads"), these(mail(7)))
	w.checkFails(err)
	_, err = tell(t.Context(), owner, begin(withdraw, "stalking"), these(mail(7)))
	w.checkFails(err)
	for i := range 10 {
		_, err := owner.Access(t.Context(), &sottov1.AccessRequest{Id: mail(i)})
		w.must(err)
		_, err = owner.Access(t.Context(), &sottov1.AccessRequest{Id: "@@" + mail(i)})
		w.checkFails(err)
	}
	for _, broken := range []string{ // a value that is no number, a row too long, other columns, a file that is none
		strings.Replace(csv.String(), fmt.Sprint(amounts[8]), "sixty-one", 1), csv.String() + mail(9) + ",,,,,,,,\n", strings.TrimPrefix(csv.String(), "mail,"), "\x00",
	} {
		w.write("customers.csv", broken)
		if _, err := owner.Refresh(t.Context(), &sottov1.RefreshRequest{}); err != nil {
			fmt.Fprintln(log, err)
		}
	}
	w.write("customers.csv", csv.String())
	_, err = owner.Refresh(t.Context(), &sottov1.RefreshRequest{})
	w.must(err)
	w.asked("planning")
	_, err = owner.Purge(t.Context(), &sottov1.PurgeRequest{})
	w.must(err)
	_, err = owner.Status(t.Context(), &sottov1.StatusRequest{})
	w.must(err)
	_, err = sottov1.NewPartyClient(w.dial("coordinator", address)).Describe(t.Context(), &sottov1.DescribeRequest{})
	w.must(err)

	found := map[string][]byte{"the log": log.Bytes()}
	w.read(found, " while the node runs")
	stop()
	w.end()
	w.read(found, "")
	found["the log at the end"] = log.Bytes()
	if len(found) < 8 || !strings.Contains(log.String(), "stopping") || !strings.Contains(log.String(), "refresh failed") {
		t.Fatalf("only %d things are looked at; the log is %s", len(found), log)
	}
	secrets := map[string]string{"a tier": "xanthic", "a region": "ytterby", "a wish": "nope-never", "an amount": "sixty-one"}
	for i := range 10 {
		secrets[fmt.Sprintf("address %d", i)] = strings.TrimSuffix(mail(i), "@secret-mail.example")
		secrets[fmt.Sprintf("address %d as it is written", i)] = strings.ToUpper(mail(i))[:15]
		secrets[fmt.Sprintf("number %d", i)] = phone(i)[4:]
		for _, m := range w.matched() {
			for _, text := range []string{mail(i), phone(i)} {
				if id, ok := m.Normalizer.ID(text); ok {
					for form, written := range map[string]string{
						"bytes": string(id[:8]), "hex": hex.EncodeToString(id[:8]), "HEX": strings.ToUpper(hex.EncodeToString(id[:8])),
						"base64": base64.StdEncoding.EncodeToString(id[:9]), "URL": base64.RawURLEncoding.EncodeToString(id[:9]),
					} {
						secrets[fmt.Sprintf("the id of %s in %s", text, form)] = written
					}
				}
			}
		}
	}
	// Numbers that stand alone, and not within a longer number, a hash or a fraction. Half of the customers consent to ads.
	alone := func(n int) *regexp.Regexp {
		return regexp.MustCompile(fmt.Sprintf(`(?:^|[^0-9a-f.])%d(?:[^0-9a-f]|$)`, n))
	}
	numbers := map[string]*regexp.Regexp{"the number of customers": alone(customers), "the number without the erased": alone(customers - 2), "the number for ads": alone((customers + 1) / 2)}
	for i := range 10 {
		numbers[fmt.Sprintf("amount %d", i)] = alone(amounts[i])
	}
	for where, content := range found {
		for what, secret := range secrets {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s has %s, %q", where, what, secret)
			}
		}
		for what, number := range numbers {
			if strings.HasPrefix(where, "the log") || strings.HasPrefix(where, "audit.db") {
				if at := number.FindIndex(content); at != nil {
					t.Errorf("%s has %s: %q", where, what, content[max(0, at[0]-50):min(len(content), at[1]+50)])
				}
			}
		}
	}
}

// checkFails wants an error, which goes into the log, too.
func (w *world) checkFails(err error) {
	w.Helper()
	if err == nil {
		w.Error("no error")
		return
	}
	w.logger.Info("a client reads", slog.String("error", err.Error()))
}

// read takes in all files of the state.
func (w *world) read(into map[string][]byte, when string) {
	w.Helper()
	folder := filepath.Join(w.folder, "state")
	w.must(filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		into[name+when] = content
		return err
	}))
}

// The audit log says how many people have asked for something, and nothing else of them.
func TestRequestsAreCounted(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	w.hear(subjects.Withdraw, "ads", "a", "b", "nobody", "  ")
	entries := w.entries()
	last := entries[len(entries)-1]
	if last.Subjects != 3 || last.Purpose != "ads" || last.List == "" || !last.Received.Equal(w.now()) {
		t.Errorf("recorded %+v", last)
	}
}
