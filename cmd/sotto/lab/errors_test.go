package lab_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/lab"
)

// Small companies. Of alpha's five customers four are beta's too, which has five; two of the four are in the north, three
// are gold, and only who is gold consents to profiling. Beta, too, answers for it.
const (
	small = `collaboration: shops
agreement: {purposes: [planning, profiling, "measuring success"], epsilon_per_query: 5, epsilon_total: 10}
purpose: planning
parties:
  - name: alpha
    source: {csv: alpha.csv}
    identity: {column: id, type: opaque}
    customers_up_to: 9
    segments: {gold: "tier = 'gold'"}
    dimensions:
      region: {sql: region, values: [north, south]}
    measures:
      spend: {sql: "CASE WHEN tier = 'gold' THEN 40 WHEN region = 'south' THEN 10 END", clip: [0, 30], unit: EUR, step: 1}
    purposes: {planning: {consent: "true"}, profiling: {consent: "tier = 'gold'"}}
  - name: beta
    source: {csv: beta.csv}
    identity: {column: id, type: opaque}
    customers_up_to: 9
    purposes: {planning: {consent: "true"}, profiling: {consent: "true"}}
  - name: gamma
    source: {csv: gamma.csv}
    identity: {column: mail, type: email}
    customers_up_to: 9
    purposes: {planning: {consent: "true"}, "measuring success": {consent: "true"}}
  - name: delta
    source: {csv: beta.csv}
    identity: {column: id, type: opaque}
    customers_up_to: 9
    limits: {epsilon_per_query: 4, epsilon_total: 4.5}
    purposes: {planning: {consent: "true"}}
questions:
  - {name: overlap, count: alpha.member && beta.member, epsilon: 5}
`
	alphaRows = "id,tier,region\nc1,gold,north\nc2,,south\nc3,gold,abroad\nc4,gold,north\nc9,,north\n"
	betaRows  = "id,name\nc1,Ann\nc2,Bob\nc3,Cid\nc4,Dan\nc7,Eve\n"
	gammaRows = "mail\nann@example.com\n"
)

// write puts a lab file and its customers into a new folder and returns the path of the lab file.
func write(t *testing.T, yaml, alpha string) string {
	folder := t.TempDir()
	for name, text := range map[string]string{"lab.yaml": yaml, "alpha.csv": alpha, "beta.csv": betaRows, "gamma.csv": gammaRows} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "lab.yaml")
}

// checkFailure reports an error that is not of the kind, does not say what it must, or says what nobody may read: the
// customers above appear in no error.
func checkFailure(t *testing.T, err error, kind string, says ...string) {
	t.Helper()
	if client.ErrorKind(err) != kind {
		t.Errorf("error is of kind %q, must be %q: %v", client.ErrorKind(err), kind, err)
		return
	}
	for _, part := range says {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error is %q, must say %q", err, part)
		}
	}
	for _, secret := range []string{"c1", "c2", "Ann", "ann@", "abroad"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error %q tells of a customer: %q", err, secret)
		}
	}
}

// checkCount reports an answer of one cell that is not what it should be but with a probability of 10⁻⁹.
func checkCount(t *testing.T, q client.Question, answer *client.Answer, err error, want float64) {
	t.Helper()
	if err != nil {
		t.Errorf("%s at epsilon %v: %v", q.Count, q.Epsilon, err)
		return
	}
	low, high, err := answer.Cells[0].Interval(1 - 1e-9)
	if err != nil || want < low || want > high || high-low > 10+150/q.Epsilon {
		t.Errorf("%s at epsilon %v: the answer is %v to %v (error %v), the truth is %v", q.Count, q.Epsilon, low, high, err, want)
	}
}

// A lab file with a mistake is refused before anything is started, and the error says where the mistake is.
func TestFileErrors(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"collaboration:", "colaboration:", `lab.yaml:1: unknown key "colaboration", did you mean "collaboration"?`},
		{"epsilon_total: 10}", "epsilon_totl: 10}", `lab.yaml:2: unknown key "epsilon_totl", did you mean "epsilon_total"?`},
		{"parties:\n", "precison: low\nparties:\n", `lab.yaml:4: unknown key "precison", did you mean "precision"?`},
		{"    segments:", "    segment:", `lab.yaml:9: unknown key "segment", did you mean "segments"?`},
		{"csv: alpha.csv", "tsv: a", `lab.yaml:6: unknown key "tsv"`},
		{"{name: overlap,", "{name: overlap, group_by: [],", `lab.yaml:32: unknown key "group_by"`},
		{"epsilon_per_query: 5,", "epsilon_per_query: .nan,", "lab.yaml:2: epsilon NaN: must be a finite number"},
		{"epsilon_per_query: 5,", "epsilon_per_query: .inf,", "lab.yaml:2: epsilon +Inf: must be a finite number"},
		{"epsilon_total: 10}", "epsilon_total: -10}", "lab.yaml:2: epsilon -10: must be above 0"},
		{"epsilon_total: 10}", "epsilon_total: 0}", "lab.yaml:2: epsilon 0: must be above 0"},
		{"epsilon: 5}", "epsilon: five}", "lab.yaml:32: cannot unmarshal !!str `five` into float64"},
		{"epsilon: 5}", "epsilon: 5", "lab.yaml:"},
		{"name: beta", "name: alpha", `there are two parties "alpha"`},
		{"name: beta", "name: coordinator", "the name is taken by the coordinator"},
		{"name: beta", "name: Beta", `name "Beta"`},
		{"{csv: beta.csv}", "{}", `party "beta": source: none`},
		{"    customers_up_to: 9\n    segments", "    segments", "customers_up_to 0: must be 1 to"},
		{"[north, south]", "[north, unknown]", `value "unknown": every dimension has it without declaring it`},
		{small[strings.Index(small, "questions:"):], "", "questions is empty"},
		{small, "", "is empty"},
	} {
		_, err := lab.Load(write(t, strings.Replace(small, c.old, c.new, 1), alphaRows))
		checkFailure(t, err, "invalid", c.want)
	}
	_, err := lab.Load(filepath.Join(t.TempDir(), "lab.yaml"))
	checkFailure(t, err, "not_found", "no lab file at")
}

// Mistakes that only all parties together show are found when the lab starts, and nothing of it stays behind.
func TestAgreementErrors(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"collaboration: shops", "collaboration: ''", "collaboration"},
		{"epsilon_total: 10}", "epsilon_total: 4}", "epsilon_total"},
		{"epsilon_per_query: 5, ", "", "epsilon_per_query"},
		{`purposes: [planning, profiling, "measuring success"], `, "", "purposes: 0 of them, must be 1 to 50"},
		{"[planning, profiling,", "[planning, planning,", `purpose "planning": named twice`},
		{"agreement: {", "agreement: {identifiers: [{type: opaque}, {type: opaque}], ", "a type named twice"},
		{"parties:\n", "noise: nobody\nparties:\n", `"nobody"`},
		{"epsilon_total: 10}", "epsilon_total: 10, delta_per_query: .nan}", "delta_per_query"},
	} {
		startFails(t, strings.Replace(small, c.old, c.new, 1), alphaRows, "invalid", c.want)
	}
}

// A source that is not what its declaration says keeps the lab from starting. The error names party, line and rule and
// quotes nothing of the file; nothing stays behind; and once the file is mended the lab starts.
func TestSourceErrors(t *testing.T) {
	for what, c := range map[string]struct{ alpha, kind, want string }{
		"empty":                 {"", "invalid", "is empty"},
		"no rows":               {"id,tier,region\n", "invalid", "no rows"},
		"no id column":          {"key,tier,region\nc1,gold,north\n", "invalid", `no column "id"; its columns are "key", "tier", "region"`},
		"two id columns":        {"id,ID,tier,region\nc1,c2,gold,north\n", "invalid", `2 columns are called "id"`},
		"no column for the SQL": {"id,region\nc1,north\n", "invalid", `segment "gold": SQL "tier = 'gold'"`},
		"open quote":            {alphaRows + "c5,\"gold,north\nc6,gold,north\n", "invalid", "quote"},
		"quote in the middle":   {alphaRows + "c5,\"go\"ld,north\n", "invalid", "quot"},
		"row too short":         {alphaRows + "c5,gold\n", "invalid", "line 7: not as many values as the header has columns"},
		"row too long":          {alphaRows + "c5,gold,north,1\n", "invalid", "line 7: not as many values as the header has columns"},
		"million characters":    {alphaRows + "c5," + strings.Repeat("x", 1_000_000) + ",north\n", "invalid", "line 7: longer than 262144 bytes"},
		"not UTF-8":             {alphaRows + "c5,\xff\xfe,north\n", "invalid", "line 7: not UTF-8"},
		"zero bytes":            {"\x00\x00\x00\x00", "invalid", "not text in UTF-8"},
		"only nobodies":         {"id,tier,region\n,gold,north\n \t,gold,north\n", "invalid", "has an id"},
		"too many customers": {
			alphaRows + "c11,,\nc12,,\nc13,,\nc14,,\nc15,,\n", "limit",
			"more customers than customers_up_to says, 9",
		},
	} {
		t.Run(what, func(t *testing.T) {
			startFails(t, small, c.alpha, c.kind, "alpha", c.want)
		})
	}
	missing := strings.Replace(small, "csv: alpha.csv", "csv: lost.csv", 1)
	startFails(t, missing, alphaRows, "not_found", "lost.csv: no such file")
	badSQL := strings.Replace(small, "tier = 'gold'", "tier = 'gold", 1)
	startFails(t, badSQL, alphaRows, "invalid", `segment "gold"`)

	file, err := lab.Load(write(t, small, alphaRows))
	if err != nil {
		t.Fatal(err)
	}
	running := start(t, file)
	defer stop(t, running)
	q := file.Ask(file.Questions[0])
	answer, err := running.Ask(t.Context(), q, nil)
	checkCount(t, q, answer, err, 4)
}

// startFails starts a lab that must not start.
func startFails(t *testing.T, yaml, alpha, kind string, says ...string) {
	t.Helper()
	file, err := lab.Load(write(t, yaml, alpha))
	if err != nil {
		t.Error(err)
		return
	}
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	running, err := lab.Start(t.Context(), file, lab.Silent())
	checkFailure(t, err, kind, says...)
	if err == nil {
		stop(t, running)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("the lab left %v behind, error %v", left, err)
	}
}

func start(t *testing.T, f *lab.File) *lab.Lab {
	running, err := lab.Start(t.Context(), f, lab.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return running
}

func stop(t *testing.T, running *lab.Lab) {
	if err := running.Close(); err != nil {
		t.Error(err)
	}
}
