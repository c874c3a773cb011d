package simulation

import (
	"errors"
	"slices"

	"github.com/sotto-dev/sotto/internal/sqlite"
)

// entry is one row of a party's ledger, as an auditor reads it.
type entry struct {
	event, analyst, organisation, purpose, measure, mechanism string
	session                                                   [16]byte
	query, sealed                                             [32]byte // sealed is the hash of what was released
	microEpsilon, attoDelta, cells                            int64
}

// journal is what a ledger says, read with plain SQL from the file, without the code that keeps it.
type journal struct {
	entries  []entry
	reserved []entry // what neither was released nor lapsed
	released []entry
}

const ledgerFormat = 2

func readJournal(path string) (j journal, err error) {
	db, err := sqlite.OpenReadOnly(path, ledgerFormat)
	if err != nil {
		return j, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.Query(`SELECT event, analyst, organisation, purpose, measure, mechanism, session, query, sealed_hash, micro_epsilon, atto_delta, cells
		FROM journal ORDER BY seq`)
	if err != nil {
		return j, err
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		var session, query, sealed []byte
		if err := rows.Scan(&e.event, &e.analyst, &e.organisation, &e.purpose, &e.measure, &e.mechanism, &session, &query, &sealed,
			&e.microEpsilon, &e.attoDelta, &e.cells); err != nil {
			return j, err
		}
		e.session, e.query, e.sealed = [16]byte(session), [32]byte(query), [32]byte(sealed)
		j.entries = append(j.entries, e)
		if e.event == "reserved" {
			j.reserved = append(j.reserved, e)
			continue
		}
		j.reserved = slices.DeleteFunc(j.reserved, func(r entry) bool { return r.session == e.session })
		if e.event == "released" {
			j.released = append(j.released, e)
		}
	}
	return j, rows.Err()
}

// journal reads the party's ledger.
func (p *partyNode) journal() journal {
	p.cluster.Helper()
	j, err := readJournal(p.path)
	p.cluster.must(err)
	return j
}

// charged returns the sum of the ε of all that the party's ledger says was released.
func (p *partyNode) charged() float64 {
	p.cluster.Helper()
	var micro int64
	for _, e := range p.journal().released {
		micro += e.microEpsilon
	}
	return float64(micro) / 1e6
}
