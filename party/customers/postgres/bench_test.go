package postgres_test

import (
	"testing"

	"github.com/sotto-dev/sotto/internal/postgrestest"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers/postgres"
)

// A million customers with six columns, in batches as large as DuckDB's.
func BenchmarkRead(b *testing.B) {
	c := postgrestest.Shared(b)
	const rows = 1_000_000
	c.Exec(`CREATE TABLE many AS SELECT 'customer' || n || '@example.com' AS email, n AS id, n % 3 = 0 AS churned,
		n / 7.0::float8 AS spend, date '2020-01-01' + n % 1000 AS since, '+49170' || 1000000 + n AS phone, repeat('x', 100) AS unused
		FROM generate_series(1, 1000000) AS n; ANALYZE many`)
	s := open(b, c, config.Postgres{Table: "many"})
	b.ReportAllocs()
	for b.Loop() {
		n, bytes := 0, 0
		if err := s.Read(b.Context(), []string{"email", "id", "churned", "spend", "since", "phone"}, 2048, func(batch *postgres.Batch) error {
			n += batch.Len()
			for row := range batch.Len() {
				for column := range 6 {
					text, _ := batch.Text(row, column)
					bytes += len(text)
				}
			}
			return nil
		}); err != nil || n != rows {
			b.Fatal(n, err)
		}
		b.SetBytes(int64(bytes))
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
