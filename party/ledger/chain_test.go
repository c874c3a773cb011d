package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"net/url"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/ledger"
)

// raw opens the file as any SQLite does.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path)}).String())
	must(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// change runs statements in a ledger that nobody has open, past the triggers that keep it as it is.
func change(t *testing.T, path string, statements ...string) {
	t.Helper()
	db := raw(t, path)
	for _, trigger := range []string{"journal_update", "journal_delete", "sealed_update", "sealed_delete"} {
		statements = append([]string{"DROP TRIGGER IF EXISTS " + trigger}, statements...)
	}
	for _, s := range statements {
		_, err := db.Exec(s)
		must(t, err)
	}
	must(t, db.Close())
}

// The chain can be recomputed by anybody from the rows, in any language: SHA-256 over the domain, the hash of the row before
// and all columns in their order, with numbers in 8 bytes and texts after their length in 4. What is signed years ago must
// still be found in it.
func TestChainFromRows(t *testing.T) {
	path := create(t)
	l := open(t, path)
	limits := total(1_000_000)
	limits.Delta = 1e-6
	for n := range 6 {
		c := charge(n, 1000)
		c.Purpose = "with \x00, 名 and ' in it"
		c.Loss = dp.Loss{Mechanism: dp.Gaussian, MicroEpsilon: 1000, AttoDelta: 5_000_000, Cells: int64(n)}
		must(t, l.Reserve(t.Context(), c, limits))
		if n%2 == 0 {
			must(t, release(l, c))
		} else {
			must(t, l.Lapse(c.Session))
		}
	}
	db := raw(t, path)
	rows, err := db.Query("SELECT * FROM journal ORDER BY seq")
	must(t, err)
	var previous [32]byte
	n := int64(0)
	for rows.Next() {
		var numbers [6]int64 // seq, and those from micro_epsilon to at
		var texts [6]string
		var session, query, sealed, hash []byte
		must(t, rows.Scan(&numbers[0], &texts[0], &session, &query, &texts[1], &texts[2], &texts[3], &texts[4], &texts[5],
			&numbers[1], &numbers[2], &numbers[3], &numbers[4], &numbers[5], &sealed, &hash))
		if n++; numbers[0] != n {
			t.Fatalf("row %d has seq %d", n, numbers[0])
		}
		var b bytes.Buffer
		text := func(s string) {
			_ = binary.Write(&b, binary.BigEndian, uint32(len(s)))
			b.WriteString(s)
		}
		text("sotto/v1/ledger-row")
		b.Write(previous[:])
		_ = binary.Write(&b, binary.BigEndian, numbers[0])
		text(texts[0])
		b.Write(session)
		b.Write(query)
		for _, s := range texts[1:] {
			text(s)
		}
		_ = binary.Write(&b, binary.BigEndian, numbers[1:])
		b.Write(sealed)
		previous = sha256.Sum256(b.Bytes())
		if !bytes.Equal(hash, previous[:]) {
			t.Errorf("row %d has hash %x, want %x", n, hash, previous)
		}
	}
	must(t, rows.Err())
	must(t, rows.Close())
	hashed := func(domain string, parts ...[]byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(domain)))
		sum := sha256.Sum256(bytes.Join(append([][]byte{append(b, domain...)}, parts...), nil))
		return sum[:]
	}
	var first, kept, sum []byte // of the release in row 2: what was stored with it is tied to it
	must(t, db.QueryRow("SELECT journal.hash, bytes, sealed.hash FROM journal JOIN sealed USING (session) WHERE seq = 2").Scan(&first, &kept, &sum))
	if want := hashed("sotto/v1/ledger-sealed", first, binary.BigEndian.AppendUint32(nil, uint32(len(kept))), kept); !bytes.Equal(sum, want) {
		t.Errorf("the bytes of row 2 have hash %x, want %x", sum, want)
	}
	at := binary.BigEndian.AppendUint64(nil, 12) // the head file holds rows, hash, and the hash of both
	if want := append(append(at, previous[:]...), hashed("sotto/v1/ledger-head", at, previous[:])...); !bytes.Contains(take(t, path)["-head"], want) {
		t.Errorf("the head file does not hold %x", want)
	}
	if l.Head() != (ledger.Head{Rows: 12, Hash: previous}) || n != 12 {
		t.Errorf("head is %v, want that of row %d", l.Head(), n)
	}
}

// filled makes a ledger with some history, closes it, and returns its path and its heads after every step.
func filled(t *testing.T, sessions int) (path string, heads []ledger.Head) {
	t.Helper()
	path = create(t)
	l := open(t, path)
	note := func(err error) {
		t.Helper()
		must(t, err)
		heads = append(heads, l.Head())
	}
	for n := range sessions {
		c := charge(n, 1000)
		note(l.Reserve(t.Context(), c, wide))
		if n%3 == 1 {
			note(l.Lapse(c.Session))
		} else {
			note(release(l, c))
		}
	}
	must(t, l.Close())
	return path, heads
}

// A valid file with another history in it is not a ledger: whatever somebody changes, adds, removes or swaps in it by SQL, it
// is not opened.
func TestOpenRefusesChanges(t *testing.T) {
	path, _ := filled(t, 9)
	good := take(t, path)
	for _, statement := range []string{
		"UPDATE journal SET micro_epsilon = 999 WHERE seq = 3",
		"UPDATE journal SET micro_epsilon = 999 WHERE session = (SELECT session FROM journal WHERE seq = 3)",
		"UPDATE journal SET atto_delta = 1 WHERE seq = 1",
		"UPDATE journal SET cells = 7 WHERE seq = 1",
		"UPDATE journal SET sensitivity = 4 WHERE seq = 1",
		"UPDATE journal SET mechanism = 'pure' WHERE seq = 1",
		"UPDATE journal SET at = at + 1 WHERE seq = 18",
		"UPDATE journal SET analyst = 'nobody' WHERE seq = 1",
		"UPDATE journal SET organisation = 'shop' WHERE seq = 1",
		"UPDATE journal SET purpose = '', measure = purpose || measure WHERE seq = 1",
		"UPDATE journal SET event = 'lapsed' WHERE seq = 2",
		"UPDATE journal SET event = 'released' WHERE seq = 4",
		"UPDATE journal SET query = zeroblob(32) WHERE seq = 1",
		"UPDATE journal SET query = x'01' WHERE seq = 1",
		"UPDATE journal SET session = zeroblob(16) WHERE seq = 1",
		"UPDATE journal SET sealed_hash = zeroblob(32) WHERE seq = 2",
		"UPDATE journal SET hash = zeroblob(32) WHERE seq = 1",
		"UPDATE journal SET hash = x'' WHERE seq = 18",
		"UPDATE journal SET seq = 0 WHERE seq = 1",
		"UPDATE journal SET seq = 19 WHERE seq = 18",
		"DELETE FROM journal WHERE seq = 1",
		"DELETE FROM journal WHERE seq = 9",
		"DELETE FROM journal WHERE seq = 18",
		"DELETE FROM journal",
		"INSERT INTO journal SELECT 19, event, session, query, analyst, organisation, purpose, measure, mechanism, micro_epsilon, atto_delta, " +
			"cells, sensitivity, at, sealed_hash, hash FROM journal WHERE seq = 18",
		"DELETE FROM sealed WHERE session = (SELECT session FROM journal WHERE seq = 2)",
		"UPDATE sealed SET bytes = x'00' WHERE session = (SELECT session FROM journal WHERE seq = 2)",
		"UPDATE sealed SET bytes = zeroblob(length(bytes)) WHERE session = (SELECT session FROM journal WHERE seq = 2)",
		"UPDATE sealed SET hash = zeroblob(32) WHERE session = (SELECT session FROM journal WHERE seq = 2)",
		"UPDATE sealed SET (bytes, hash) = (SELECT bytes, hash FROM sealed WHERE session = (SELECT session FROM journal WHERE seq = 2))",
		"INSERT INTO sealed SELECT session, x'00', hash FROM journal WHERE seq = 4",
		"UPDATE sealed SET session = (SELECT session FROM journal WHERE seq = 4) WHERE session = (SELECT session FROM journal WHERE seq = 2)",
	} {
		good.put(t, path)
		change(t, path, statement)
		for what, open := range map[string]func(string) (*ledger.Ledger, error){"open": ledger.Open, "read": ledger.OpenReadOnly} {
			l, err := open(path)
			if err == nil {
				t.Errorf("%s: %s: no error", statement, what)
				must(t, l.Close())
			} else if !strings.Contains(err.Error(), path) {
				t.Errorf("%s: error %v does not name the file", what, err)
			}
		}
	}
	good.put(t, path)
	change(t, path) // the changes above are what is refused
	must(t, open(t, path).Close())
}

// Rows that are chained as they should be, but tell a story that can't be, are not believed: each session is reserved once,
// ends at most once, and ends as what it was.
func TestOpenRefusesStories(t *testing.T) {
	a, b := charge(1, 1), charge(2, 1)
	changed := func(r ledger.Row, change func(*ledger.Row)) ledger.Row {
		change(&r)
		return r
	}
	reserved, released, lapsed := ledger.RowOf("reserved", a), ledger.RowOf("released", a), ledger.RowOf("lapsed", a)
	for name, rows := range map[string][]ledger.Row{
		"released from nothing":    {released},
		"lapsed from nothing":      {ledger.RowOf("reserved", b), lapsed},
		"reserved twice":           {reserved, reserved},
		"reserved again":           {reserved, lapsed, reserved},
		"released twice":           {reserved, released, released},
		"lapsed after the release": {reserved, released, lapsed},
		"released after lapsing":   {reserved, lapsed, released},
		"another event":            {reserved, ledger.RowOf("refunded", a)},
		"cheaper in the end":       {ledger.RowOf("reserved", charge(1, 2)), released},
		"another analyst's":        {reserved, changed(lapsed, func(r *ledger.Row) { r.Analyst = "other" })},
		"another question's":       {reserved, changed(released, func(r *ledger.Row) { r.Query[0]++ })},
		"reserved with numbers":    {changed(reserved, func(r *ledger.Row) { r.SealedHash[0] = 1 })},
		"lapsed with numbers":      {reserved, changed(lapsed, func(r *ledger.Row) { r.SealedHash[0] = 1 })},
		"begun at 0":               {changed(reserved, func(r *ledger.Row) { r.Seq = -1 })},
		"a gap":                    {reserved, changed(released, func(r *ledger.Row) { r.Seq = 3 })},
	} {
		path := create(t)
		must(t, ledger.Forge(path, rows...))
		if l, err := ledger.Open(path); err == nil || !strings.Contains(err.Error(), "damaged: row") {
			t.Errorf("%s: error is %v", name, err)
			_ = l.Close()
		}
	}
	path := create(t)
	must(t, ledger.Forge(path, reserved, ledger.RowOf("reserved", b), changed(released, func(r *ledger.Row) { r.SealedHash[0], r.At = 1, 0 })))
	l := open(t, path) // a story that can be
	if _, released := spent(l); released != 1 || l.Head().Rows != 4 {
		t.Errorf("%d released in %d rows", released, l.Head().Rows)
	}
}

// Nobody changes the journal by accident: the file itself refuses.
func TestTablesOnlyGrow(t *testing.T) {
	path, _ := filled(t, 3)
	db := raw(t, path)
	for _, statement := range []string{"UPDATE journal SET micro_epsilon = 1", "DELETE FROM journal", "UPDATE sealed SET bytes = x''", "DELETE FROM sealed"} {
		if _, err := db.Exec(statement); err == nil || !strings.Contains(err.Error(), "a ledger only grows") {
			t.Errorf("%s: error is %v", statement, err)
		}
	}
}

// A ledger put back from an older copy, even one that was written on since, or another one in its place is noticed by who kept
// a head that it does not lead through; it then spends nothing more, but what was released can still be fetched.
func TestCheck(t *testing.T) {
	path, heads := filled(t, 4)
	older := take(t, path)
	l := open(t, path)
	for _, h := range append(heads, ledger.Head{}) {
		must(t, l.Check(h))
	}
	must(t, l.Reserve(t.Context(), charge(4, 1), wide))
	must(t, release(l, charge(4, 1)))
	for _, h := range heads { // it has gone on since
		must(t, l.Check(h))
	}
	latest := l.Head() // which the coordinator keeps, with what was released
	must(t, l.Close())
	older.put(t, path)
	for _, c := range []struct {
		name, path string
		sessions   int // that were begun since
		want       string
	}{
		{"older copy", path, 1, "it has 9 rows, but 10 are known to have been written: it is an older copy"},
		{"older copy that was written on", path, 9, "its row 10 is not the one that is known"},
		{"new one", create(t), 9, "it has 9 rows, but 10 are known"},
		{"new one that was written on", create(t), 10, "its row 10 is not the one that is known"},
	} {
		l := open(t, c.path)
		for n := range c.sessions {
			must(t, l.Reserve(t.Context(), charge(100+n, 1), wide))
		}
		must(t, l.Check(l.Head()))
		if err := l.Check(latest); !fault.IsKind(err, fault.Unavailable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.name, err, c.want)
		}
		must(t, l.Check(l.Head())) // which does not make it good
		for what, err := range map[string]error{"reserve": l.Reserve(t.Context(), charge(200, 1), wide), "release": release(l, charge(100, 1))} {
			if !fault.IsKind(err, fault.Unavailable) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %s: error is %v, want %q", c.name, what, err, c.want)
			}
		}
		must(t, l.Lapse(charge(100, 1).Session))
		if sealed, err := l.Released(t.Context(), charge(0, 1).Session); c.path == path && !bytes.Equal(sealed, stored(charge(0, 1))) {
			t.Errorf("%s: what was released is %d bytes, %v", c.name, len(sealed), err)
		}
		must(t, l.Close())
		older.put(t, path)
	}
	if err := open(t, path).Check(ledger.Head{Rows: -1}); err == nil {
		t.Error("a head of -1 rows is in no ledger")
	}
}
