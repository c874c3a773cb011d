package party

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/state"
	"github.com/sotto-dev/sotto/party/subjects"
)

const (
	// victimFolder names, in the environment, the world in which this test binary is to do something until it is killed.
	victimFolder = "SOTTO_TEST_VICTIM_FOLDER"
	// victimCall says what.
	victimCall = "SOTTO_TEST_VICTIM_CALL"
	// victimPoint says at which point it kills itself, after how many times there: "2 file: renamed".
	victimPoint = "SOTTO_TEST_VICTIM_POINT"
)

var long = os.Getenv("SOTTO_LONG") == "1"

const crashYAML = `name: shop
source: {csv: customers.csv}
identity: [{column: mail, type: email}, {column: phone, type: phone, country: DE}]
customers_up_to: 1000
segments: {gold: "tier = 'gold'"}
retention: {since: bought, keep_for: 36 months}
purposes:
  planning: {consent: "true", basis: contract}
  ads: {consent: "ads = 'yes'"}
`

// crashCSV has nobody's phone twice; dora has no address, and anna is known by one to those who write to her.
const crashCSV = `mail,phone,tier,ads,bought
anna@x.de,+49 30 1000001,gold,yes,BOUGHT
bert@x.de,+49 30 1000002,basic,yes,BOUGHT
cleo@x.de,,gold,no,BOUGHT
,+49 30 1000004,gold,yes,BOUGHT
emil@x.de,+49 30 1000005,gold,yes,BOUGHT
fred@x.de,+49 30 1000006,gold,yes,BOUGHT
gina@x.de,+49 30 1000007,gold,yes,BOUGHT
hank@x.de,+49 30 1000008,gold,yes,BOUGHT
`

// crashIDs are all by which those in crashCSV are known.
var crashIDs = strings.Fields("anna@x.de bert@x.de cleo@x.de emil@x.de fred@x.de gina@x.de hank@x.de iris@x.de " +
	"+49301000001 +49301000002 +49301000004 +49301000005 +49301000006 +49301000007 +49301000008")

// crashTime is four years after the first question.
var crashTime = start.AddDate(4, 0, 0)

// calls are what a node is killed in. A call is to be found in the audit log under its action.
var calls = map[string]struct {
	action audit.Action
	do     func(w *world) error
}{
	"withdraw": {audit.Withdraw, hearing(subjects.Withdraw, "", "anna@x.de")},
	"withdraw many": {audit.Withdraw, func(w *world) error { // more than one record of the list holds
		all := []string{"anna@x.de", "+49301000004"}
		for i := range 61_000 {
			all = append(all, fmt.Sprintf("nobody%d@x.de", i))
		}
		return hearing(subjects.Withdraw, "ads", all...)(w)
	}},
	"erase":   {audit.Erase, hearing(subjects.Erase, "", "+49301000001", "bert@x.de", "+49301000004")},
	"restore": {audit.Restore, hearing(subjects.Restore, "", "gina@x.de", "+49301000008")},
	"refresh": {audit.Refresh, func(w *world) error {
		w.write("customers.csv", crashed("2030-01-01")+"iris@x.de,,gold,yes,2030-01-01\n")
		_, err := w.Refresh(w.Context(), "owner")
		return err
	}},
	"purge": {audit.Purge, func(w *world) error {
		_, err := w.Purge("owner", false)
		return err
	}},
}

func hearing(kind subjects.Kind, purpose string, who ...string) func(*world) error {
	return func(w *world) error {
		_, err := w.Hear("owner", kind, purpose, "", who, w.now())
		return err
	}
}

func crashed(bought string) string { return strings.ReplaceAll(crashCSV, "BOUGHT", bought) }

// newCrash makes the folder in which the calls are made, with a past: questions that are too old to be kept and others that are
// not, people who have withdrawn and been erased.
func newCrash(t *testing.T) string {
	w := newWorld(t, crashYAML, crashed("2025-06-01"))
	w.asked("planning")
	w.asked("ads")
	w.slot(1, crashIDs...)
	w.clock.Store(crashTime.Add(-time.Hour).Unix())
	w.write("customers.csv", crashed("2030-01-01"))
	_, err := w.Refresh(t.Context(), "owner")
	w.must(err)
	w.slot(2, crashIDs...)
	w.asked("planning")
	w.must(hearing(subjects.Withdraw, "ads", "fred@x.de")(w))
	w.must(hearing(subjects.Erase, "", "+49301000005")(w)) // emil
	w.must(hearing(subjects.Withdraw, "", "gina@x.de")(w))
	w.must(hearing(subjects.Erase, "", "+49301000008")(w)) // hank
	w.asked("planning")
	w.asked("ads")
	w.end()
	return w.folder
}

// copied returns a folder with the same files.
func copied(t *testing.T, folder string) string {
	to := t.TempDir()
	if err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(folder, path)
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Mkdir(filepath.Join(to, name), info.Mode().Perm())
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, info.Mode().Perm())
	}); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestVictim is no test of its own: it is what is killed.
func TestVictim(t *testing.T) {
	folder := os.Getenv(victimFolder)
	if folder == "" {
		return
	}
	w := &world{T: t, folder: folder, trace: func(string) {}}
	w.clock.Store(crashTime.Unix())
	die := func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it arrives
	}
	armed := false
	times, point, _ := strings.Cut(os.Getenv(victimPoint), " ")
	left, _ := strconv.Atoi(times)
	w.trace = func(at string) {
		if armed && at == point {
			if left--; left == 0 {
				die()
			}
		}
	}
	w.open()
	armed = true
	w.must(calls[os.Getenv(victimCall)].do(w))
	fmt.Println("said it is done")
	die()
}

// crash runs a victim in a folder until it is killed, and reports whether the call had returned.
func crash(t *testing.T, folder, call, point string) bool {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	command.Env = append(os.Environ(), victimFolder+"="+folder, victimCall+"="+call, victimPoint+"="+point)
	out, err := command.Output()
	var killed *exec.ExitError
	if !errors.As(err, &killed) || killed.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the victim was not killed: %v; %s", err, out)
	}
	return bytes.Contains(out, []byte("said it is done"))
}

// points returns the points that are reached in a call, with the number of the time.
func points(t *testing.T, folder, call string) []string {
	var reached []string
	seen := map[string]int{}
	w := &world{T: t, folder: copied(t, folder), trace: func(point string) {
		seen[point]++
		reached = append(reached, fmt.Sprintf("%d %s", seen[point], point))
	}}
	w.clock.Store(crashTime.Unix())
	w.open()
	reached = nil
	clear(seen)
	w.must(calls[call].do(w))
	w.end()
	return append(reached, "1 (returned)")
}

// holding is what holds in a world, as far as anybody can tell: who takes part in what, and what each person is told.
func (w *world) holding() string {
	w.Helper()
	var out strings.Builder
	for _, purpose := range []string{"planning", "ads"} {
		fmt.Fprintf(&out, "%s %s\n", purpose, w.taking(purpose))
	}
	for _, id := range crashIDs {
		held, err := w.Access("owner", id, "", w.now())
		w.must(err)
		fmt.Fprintf(&out, "%s %v %v until %d erased %d matched %v", id, held.Customer, held.Segments, seconds(held.KeepUntil), seconds(held.Erased), held.Matched)
		for _, c := range held.Consents {
			fmt.Fprintf(&out, " %s %v %s %d", c.Purpose, c.TakesPart, c.Why, seconds(c.Withdrawn))
		}
		for _, q := range held.Questions {
			fmt.Fprintf(&out, " %.8s %.8s", q.Query, q.View)
		}
		fmt.Fprintln(&out)
	}
	return out.String()
}

// checkErased finds those who were erased nowhere: neither among the customers nor in any file, by none of their ids.
func (w *world) checkErased(who ...string) {
	w.Helper()
	for _, m := range w.matched() {
		for _, text := range who {
			id, ok := m.Normalizer.ID(text)
			if !ok {
				continue
			}
			if at := w.view().snapshot.Find([]ids.ID{id}); at != nil {
				w.Errorf("%s is still customer %v", text, at)
			}
			views, err := w.state.Members.Views(id)
			w.must(err)
			if len(views) > 0 {
				w.Errorf("%s is still in %d views", text, len(views))
			}
			if found, err := w.matchingsOf([]ids.ID{id}); err != nil || found != nil {
				w.Errorf("%s is still in the matchings of %v, error %v", text, found, err)
			}
		}
	}
}

// files returns the names of what is kept, and complains about what a crash has left.
func (w *world) files() []string {
	w.Helper()
	var names []string
	for _, folder := range []string{state.Members(w.state.Folder), state.Matches(w.state.Folder)} {
		entries, err := os.ReadDir(folder)
		w.must(err)
		for _, e := range entries {
			if kind, _, _ := strings.Cut(e.Name(), "-"); !slices.Contains([]string{"view", "snapshot", "match"}, kind) {
				w.Errorf("a crash has left %s", e.Name())
			}
			names = append(names, e.Name())
		}
	}
	return names
}

// recorded tells whether the audit log has, after so many rows, that something was done.
func (w *world) recorded(after int64, actions ...audit.Action) bool {
	w.Helper()
	return slices.ContainsFunc(w.entries(), func(e audit.Entry) bool {
		return e.Row > after && e.Verdict == audit.Done && slices.Contains(actions, e.Action)
	})
}

// A node that is killed at any step of a request, a refresh or a purge knows after a restart all of it or nothing of it; all of it
// if whoever asked was told that it is done. It is on record if it holds. Nothing that was known before is lost, whoever was erased
// is nowhere, and nothing half-written is left.
func TestKilledAtEveryPoint(t *testing.T) {
	template := newCrash(t)
	rows, err := audit.Verify(state.Audit(filepath.Join(template, "state")))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, call := range []string{"erase", "purge", "refresh", "restore", "withdraw", "withdraw many"} {
		all := points(t, template, call)
		if len(all) < 6 {
			t.Errorf("%s: only the points %q are reached", call, all)
		}
		if !long {
			random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			all = all[:2]
		}
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			killed(t, template, rows.Rows, call, all)
		})
	}
}

func killed(t *testing.T, template string, rows int64, call string, points []string) {
	w := openWorld(t, copied(t, template), crashTime)
	before, untouched := w.holding(), w.files()
	w.end()
	w = openWorld(t, copied(t, template), crashTime)
	w.must(calls[call].do(w))
	w.end()
	w = openWorld(t, w.folder, crashTime)
	after, files := w.holding(), w.files()
	w.end()
	if before == after {
		t.Fatal("the call changes nothing")
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			folder := copied(t, template)
			done := crash(t, folder, call, point)
			w := openWorld(t, folder, crashTime)
			w.checkErased("emil@x.de", "+49301000005")
			got, kept := w.holding(), w.files()
			onRecord := w.recorded(rows, calls[call].action, audit.Complete)
			switch {
			case got == after:
				if call == "erase" {
					w.checkErased("anna@x.de", "+49301000001", "bert@x.de", "+49301000002", "+49301000004")
				}
				if call != "purge" && !slices.Equal(kept, files) { // of which a second one removes the rest
					t.Errorf("kept are %q, want %q", kept, files)
				}
				if !onRecord {
					t.Error("it holds and is not on record")
				}
			case got != before:
				t.Errorf("neither all nor nothing of it holds:%s", different(got, after))
			case done:
				t.Errorf("it was said to be done and does not hold:%s", different(got, after))
			case onRecord && call != "purge": // which is recorded before anything goes
				t.Error("it is on record and does not hold")
			}
			if call == "purge" && !slices.Equal(kept, untouched) && !onRecord {
				t.Error("something has gone that is not on record")
			}
			w.must(calls[call].do(w)) // once more
			_, err := w.Refresh(t.Context(), "owner")
			w.must(err)
			if got := w.holding(); got != after {
				t.Errorf("after it was done again:%s", different(got, after))
			}
			if kept := w.files(); !slices.Equal(kept, files) {
				t.Errorf("after it was done again, kept are %q, want %q", kept, files)
			}
			w.end()
			if _, err := audit.Verify(state.Audit(filepath.Join(folder, "state"))); err != nil {
				t.Error(err)
			}
		})
	}
}

// different returns the lines of what holds that are not what should.
func different(got, want string) string {
	var out strings.Builder
	lines := strings.Split(want, "\n")
	for i, line := range strings.Split(got, "\n") {
		if line != lines[i] {
			fmt.Fprintf(&out, "\n\t%s\n\twant %s", line, lines[i])
		}
	}
	return out.String()
}
