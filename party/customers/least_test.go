package customers_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/postgrestest"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// A column that no declaration names is not read: in PostgreSQL, a role does without the right to it; in Parquet, its bytes
// may be damaged; in CSV, whose rows come whole, its values are nobody's business, of whatever kind. Check reads no more.
func TestOnlyDeclaredColumns(t *testing.T) {
	folder := t.TempDir()
	parquet := filepath.Join(folder, "a.parquet")
	customers.Write(t, "COPY (SELECT 'diagnosis ' || i AS diagnosis, i AS id, i % 2 = 0 AS even, 'x' AS tier, DATE '2026-01-01' AS day FROM range(3000) t(i)) TO '"+
		parquet+"' (FORMAT parquet, COMPRESSION uncompressed)")
	whole, err := os.ReadFile(parquet)
	if err != nil {
		t.Fatal(err)
	}
	for i := 10; i < 2000; i++ { // the first column's
		whole[i] = 0xff
	}
	if err := os.WriteFile(parquet, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	declare := func(source config.Source) *config.Party {
		return &config.Party{
			Name: "shop", Source: source, Identity: config.Identities{{Column: "id", Type: ids.Opaque, AtMost: 1, People: "day"}}, CustomersUpTo: 10_000,
			Segments: map[string]string{"even": "even"}, Dimensions: map[string]config.Dimension{"tier": {SQL: "tier", Values: []string{"x"}}},
			Purposes: map[string]config.Purpose{"planning": {Consent: "even", Given: "day"}},
		}
	}
	check := func(name string, source config.Source, want int) {
		t.Helper()
		s, err := customers.Load(context.Background(), declare(source), plain)
		if err != nil || len(s.IDs) != want || s.Segments[0] != 1 || s.Segments[1] != 0 || s.Dimensions[0][1] != 0 {
			t.Errorf("%s: error is %v", name, err)
		}
		profile, err := customers.Check(context.Background(), declare(source), plain)
		if err != nil || profile.Customers != want || len(profile.Problems) > 0 {
			t.Errorf("%s: profile is %+v, error %v", name, profile, err)
		}
		reads := declare(source)
		reads.Segments["ill"] = "diagnosis = 'x'"
		if _, err := customers.Load(context.Background(), reads, plain); err == nil {
			t.Errorf("%s: a column that cannot be read was read", name)
		}
	}
	check("Parquet", config.Source{Parquet: parquet}, 3000)

	p := partyOf(t, "id,even,tier,day,odd\n0,true,x,2026-01-01,\"a\nb\"\n1,false,x,2026-01-01,1e400\n")
	p.Segments["even"] = "even"
	if s := mustLoad(t, p); len(s.IDs) != 2 {
		t.Errorf("%d customers", len(s.IDs))
	}

	t.Run("postgres", func(t *testing.T) {
		c := postgrestest.Shared(t)
		c.Exec("CREATE SCHEMA least; CREATE TABLE least.t AS SELECT 'diagnosis ' || i AS diagnosis, i AS id, i % 2 = 0 AS even, 'x'::text AS tier, DATE '2026-01-01' AS day FROM generate_series(0, 99) i; " +
			"CREATE ROLE least_reader LOGIN; GRANT USAGE ON SCHEMA least TO least_reader; GRANT SELECT (id, even, tier, day) ON least.t TO least_reader")
		t.Setenv("SOTTO_TEST_LEAST", c.URL("least_reader"))
		check("PostgreSQL", config.Source{Postgres: &config.Postgres{Connection: config.Secret{Env: "SOTTO_TEST_LEAST"}, Table: "least.t"}}, 100)
	})
}
