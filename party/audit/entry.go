package audit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// Action is what was decided about or done.
type Action string

// The actions that an entry may be of.
const (
	Question  Action = "question"  // an analyst's question was admitted or refused
	Release   Action = "release"   // a question's share of the answer left the node, and its price is spent
	Lapse     Action = "lapse"     // a question ended without an answer, and its price was given back
	Match     Action = "match"     // a private matching was admitted or refused, begun and paid for, stored, or broken off
	Refresh   Action = "refresh"   // the customers were read anew
	Withdraw  Action = "withdraw"  // persons withdrew consent
	Erase     Action = "erase"     // persons were erased
	Restore   Action = "restore"   // a withdrawal or an erasure was taken back
	Complete  Action = "complete"  // what a crash had left undone of persons' requests was done
	Access    Action = "access"    // a person was told what the node holds on them
	Purge     Action = "purge"     // what was kept too long was destroyed
	Configure Action = "configure" // the config or the agreement is another one than before
	Start     Action = "start"     // the node went on the air
	Stop      Action = "stop"      // the node went off the air in good order
)

// Actions are all there are.
var Actions = []Action{Question, Release, Lapse, Match, Refresh, Withdraw, Erase, Restore, Complete, Access, Purge, Configure, Start, Stop}

// Verdict is how it went.
type Verdict string

// The verdicts that an entry may have.
const (
	Accepted Verdict = "accepted" // it may go on
	Refused  Verdict = "refused"  // by a rule, which Reason gives
	Failed   Verdict = "failed"   // for no fault of who asked; Reason says what went wrong
	Done     Verdict = "done"
)

var verdicts = []Verdict{Accepted, Refused, Failed, Done}

// Entry is one decision. What does not apply is left empty. No field may hold a customer's id or value, or an exact count of
// an audience. Its JSON form has the fields in this order, and none that are empty.
type Entry struct {
	Row     int64     `json:"row,omitempty"` // position in the log, from 1; not stored, and not read by Record
	At      time.Time `json:"at"`            // of the decision, from 1970 to 9999, kept in UTC and milliseconds
	Actor   string    `json:"actor"`         // an analyst's or an administrator's name, "owner", "node" or "coordinator"
	Action  Action    `json:"action"`
	Verdict Verdict   `json:"verdict"`
	Reason  string    `json:"reason,omitempty"` // why it was refused, or failed

	Query        string `json:"query,omitempty"`   // hash of the signed question, in hexadecimal
	Session      string `json:"session,omitempty"` // in hexadecimal
	Organisation string `json:"organisation,omitempty"`
	Purpose      string `json:"purpose,omitempty"`
	Audience     string `json:"audience,omitempty"` // as the question has it: declared names and values only
	Measure      string `json:"measure,omitempty"`
	MicroEpsilon int64  `json:"micro_epsilon,omitempty"` // price, in 10⁻⁶ ε
	View         string `json:"view,omitempty"`          // id of the version of the customers that it was over, or that was read, in hexadecimal

	Subjects int64          `json:"subjects,omitempty"` // ids in a subject's request
	Received time.Time      `json:"received,omitzero"`  // when a subject asked, as At
	List     string         `json:"list,omitempty"`     // hash of the list of such requests after it, in hexadecimal
	Coverage map[string]int `json:"coverage,omitempty"` // purpose to whole percent of customers whose consent covers it, at a refresh

	Config    string `json:"config,omitempty"`    // hash of the node's config, in hexadecimal
	Agreement string `json:"agreement,omitempty"` // hash of the agreement, in hexadecimal
	Detail    string `json:"detail,omitempty"`    // what else a reader should know
}

// Most bytes of a text; longer ones are cut.
const (
	maxName     = 200
	maxText     = 1000
	maxAudience = 16_000
)

const (
	maxHex      = 64 // digits of a hash
	maxCoverage = 50 // purposes
)

// text is a text of an entry, with the most bytes that it may have.
type text struct {
	name string
	at   *string
	most int
}

func (e *Entry) texts() []text {
	return []text{
		{"actor", &e.Actor, maxName},
		{"reason", &e.Reason, maxText},
		{"organisation", &e.Organisation, maxName},
		{"purpose", &e.Purpose, maxName},
		{"audience", &e.Audience, maxAudience},
		{"measure", &e.Measure, maxName},
		{"detail", &e.Detail, maxText},
	}
}

func (e *Entry) hashes() []text {
	return []text{
		{"query", &e.Query, maxHex},
		{"session", &e.Session, maxHex},
		{"view", &e.View, maxHex},
		{"list", &e.List, maxHex},
		{"config", &e.Config, maxHex},
		{"agreement", &e.Agreement, maxHex},
	}
}

// Check returns nil if an entry is one that the log takes, and else the field and the rule that it breaks.
func (e Entry) Check() error {
	if !slices.Contains(Actions, e.Action) {
		return fmt.Errorf("action is %q, must be one of %q", e.Action, Actions)
	}
	if !slices.Contains(verdicts, e.Verdict) {
		return fmt.Errorf("verdict is %q, must be one of %q", e.Verdict, verdicts)
	}
	if e.Actor == "" {
		return errors.New("there is no actor")
	}
	for _, t := range e.texts() {
		if len(*t.at) > t.most || !utf8.ValidString(*t.at) {
			return fmt.Errorf("%s has %d bytes, must be UTF-8 of at most %d", t.name, len(*t.at), t.most)
		}
	}
	for _, t := range e.hashes() {
		if _, err := hex.DecodeString(*t.at); err != nil || len(*t.at) > t.most {
			return fmt.Errorf("%s is %.70q, must be at most %d hexadecimal digits", t.name, *t.at, t.most)
		}
	}
	if err := checkTime("at", e.At); err != nil {
		return err
	}
	if !e.Received.IsZero() {
		if err := checkTime("received", e.Received); err != nil {
			return err
		}
	}
	if e.MicroEpsilon < 0 || e.Subjects < 0 {
		return fmt.Errorf("micro_epsilon is %d and subjects %d, must not be negative", e.MicroEpsilon, e.Subjects)
	}
	return e.checkCoverage()
}

func checkTime(name string, t time.Time) error {
	if year := t.UTC().Year(); year < 1970 || year > 9999 {
		return fmt.Errorf("%s is in the year %d, must be from 1970 to 9999", name, year)
	}
	return nil
}

func (e Entry) checkCoverage() error {
	if len(e.Coverage) > maxCoverage {
		return fmt.Errorf("coverage is of %d purposes, at most %d", len(e.Coverage), maxCoverage)
	}
	for purpose, percent := range e.Coverage {
		if len(purpose) > maxName || !utf8.ValidString(purpose) {
			return fmt.Errorf("a purpose of coverage has %d bytes, must be UTF-8 of at most %d", len(purpose), maxName)
		}
		if percent < 0 || percent > 100 {
			return fmt.Errorf("coverage of %q is %d, must be from 0 to 100", purpose, percent)
		}
	}
	return nil
}
