// Package report writes what a company must be able to show about its node, from the node's own files and without a look at the
// customers: the record of processing activities (GDPR, Art. 30) with a privacy-impact assessment (GDPR, Art. 35; PIPL, Art. 55
// and 56), and the public page that tells customers what is computed with their data (GDPR, Art. 13; PIPL, Art. 17).
//
// Nothing in either is about single customers: what the audit log has of them are whole percents and numbers of requests. SQL,
// columns and files of the source are in neither, so that the record can be handed to a partner as it is.
package report

import (
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/journal"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/ledger"
)

// Sources are what a record is made of. Agreement and Config must have passed their checks, and the party be of the agreement.
type Sources struct {
	Agreement *agreement.Agreement
	Config    *config.Party
	Now       time.Time // as of when
	Audit     AuditLog
	Ledger    Ledger
	Keys      []Key
}

// AuditLog is the node's audit log.
type AuditLog struct {
	Head    journal.Head
	Entries func(func(audit.Entry) error) error // as [audit.Log.Entries]
	Damage  string                              // why the log can't be relied upon, or ""; Head and Entries are not used then
}

// Ledger is the node's ledger.
type Ledger struct {
	Head   journal.Head
	Usage  []ledger.Usage // of all windows, those of all analysts together first
	Damage string         // as AuditLog's
}

// Key is a long-lived key of the node.
type Key struct {
	Name   string
	Public string    // "" for a secret one
	Since  time.Time // zero if it is not known
	Until  time.Time // zero for without end
}
