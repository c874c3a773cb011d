package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// jsonValue wants that the standard output of the last command is one JSON object, and compares a value in it, found by its
// path of keys and positions, with others as JSON spells them: json purposes.0.may 3 customers 5 …
func jsonValue(ts *testscript.TestScript, _ bool, args []string) {
	var whole any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &whole))
	if len(args) == 0 || len(args)%2 != 0 {
		ts.Fatalf("%d arguments, must be pairs", len(args))
	}
	for i := 0; i < len(args); i += 2 {
		value := whole
		for key := range strings.SplitSeq(args[i], ".") {
			switch in := value.(type) {
			case map[string]any:
				var ok bool
				if value, ok = in[key]; !ok {
					ts.Fatalf("%s: there is no %q", args[i], key)
				}
			case []any:
				position, err := strconv.Atoi(key)
				ts.Check(err)
				if position >= len(in) {
					ts.Fatalf("%s: there are %d", args[i], len(in))
				}
				value = in[position]
			default:
				ts.Fatalf("%s: there is nothing below %v", args[i], value)
			}
		}
		if got, err := json.Marshal(value); err != nil || string(got) != args[i+1] {
			ts.Fatalf("%s is %s, want %s (%v)", args[i], got, args[i+1], err)
		}
	}
}

// runSQLite changes a database behind its owner's back: sqlite FILE STATEMENT…
func runSQLite(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	for _, statement := range args[1:] {
		_, err := db.Exec(statement)
		ts.Check(err)
	}
}

// runPostgres runs statements on the server of PG_URL: postgres STATEMENTS
func runPostgres(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, ts.Getenv("PG_URL"))
	ts.Check(err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, args[0]).ReadAll()
	ts.Check(err)
}
