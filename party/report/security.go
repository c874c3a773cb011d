package report

import "fmt"

func (r *record) security() section {
	said := []string{
		"What is stored of customers is encrypted with AES-256-GCM under a key that is kept apart from it; their identifiers are stored only as keyed hashes (HMAC-SHA256).",
		"Rows leave the node only encrypted (lattice-based, 128 bits of security), under a key that is made for one question and forgotten with it, and of which every party in it and the coordinator hold a share.",
		"Answers have differential-privacy noise: " + noiseWords(r.Agreement) + ". Answers are sealed to the analyst (HPKE, with ML-KEM-768 and X25519, and AES-256-GCM).",
		"Nodes reach each other over TLS 1.3 with the keys that the agreement pins, and nobody else.",
		"A question must be signed by an analyst of the agreement, and can only name what is declared; no SQL comes from outside.",
		"What was spent and what was decided is written durably before anything leaves, in files whose rows vouch for those before them.",
		"Neither logs nor the audit log hold a customer's value or an exact count.",
	}
	if matched(r.Agreement) {
		said = append(said, "For a matching, identifiers leave the node only as points of an elliptic curve (ristretto255), raised to secrets that are made for it and "+
			"forgotten with it, and sealed to the next node on the way (as answers are). Unlike all else that is encrypted, these points would not withstand "+
			"a quantum computer.")
	}
	measures := list(said...)
	keys := &table{Caption: "Long-lived keys", Columns: []string{"Key", "Made", "Age", "Valid until", "Public key"}, Empty: "No key was looked at."}
	for _, k := range r.Keys {
		made, old, until := "not known", "not known", "no end"
		if !k.Since.IsZero() {
			made, old = day(k.Since), age(k.Since, r.Now)
		}
		if !k.Until.IsZero() {
			until = day(k.Until)
		}
		public := plain("secret")
		if k.Public != "" {
			public = cell{Text: k.Public, Code: true}
		}
		keys.Rows = append(keys.Rows, []cell{plain(k.Name), plain(made), plain(old), plain(until), public})
	}
	chain := []fact{{"Audit log", plain(r.auditState())}}
	if r.Audit.Damage == "" {
		chain = append(chain,
			fact{"Hash of the last row", cell{Text: fmt.Sprintf("%x", r.Audit.Head.Hash), Code: true}},
			fact{"Changes of configuration or agreement", plain(fmt.Sprint(r.changes))},
		)
		if r.config != "" {
			chain = append(chain, fact{"Configuration in force", cell{Text: r.config, Code: true}})
		}
	}
	return section{Title: "Security measures", Law: "GDPR Art. 30(1)(g), 32; PIPL Art. 51", Blocks: []block{
		measures,
		{Table: keys},
		say("The hash of the last row covers the whole audit log: whoever notes it, with the number of rows, can tell later whether history was rewritten."),
		facts(chain...),
	}}
}

func (r *record) assessment() section {
	noise := "The noise, of which the company's own suffices, and the limits. One more or one fewer person changes the odds of an answer at most by the factor e^ε."
	left := "What ε allows, added up over all answers; the table of limits has it."
	if len(r.trustedNoise()) > 0 {
		noise = "The coordinator's noise, and the limits."
		left = "Who colludes with the coordinator can take the noise off."
	}
	kept := "Rows of any age are used: no retention is declared."
	if r.Config.Retention.Declared() {
		kept = "The source itself, which is the company's to clear."
	}
	risks := &table{
		Caption: "Risks to the customers", Columns: []string{"What could happen", "What is done against it", "What remains"},
		Rows: [][]cell{
			plains("Somebody infers from answers whether a person is a customer, or in which group, also in small groups.", noise, left),
			plains("A partner, the coordinator or somebody on the way reads rows.", "Encryption under a key that nobody holds alone; each hand-over is signed and checked.",
				"A partner that breaks the protocol on purpose, alone or with the coordinator, could expose what one question sent."),
			plains("Data is used for a purpose that customers were not told of.", "A question must name a purpose of the agreement; only customers covered by its rule take part; all of it is on record.",
				"What analysts do with an answer afterwards is a matter of contract."),
			plains("A customer who withdrew or was erased still takes part.", "Both hold from the next question on, whatever the source says.", "Answers given before can't be taken back; they hold nobody's data by itself."),
			plains("Data is kept longer than needed.", "Customers are in memory only; stored lists are purged daily.", kept),
			plains("The node's disk is stolen, or its files are changed.", "Encryption at rest, keyed hashes, hash chains.", "Whoever has the keys and the disk, or the machine while it runs, has all of it."),
		},
	}
	return section{Title: "Impact assessment", Law: "GDPR Art. 35(7); PIPL Art. 55, 56", Blocks: []block{
		say("Necessity and proportionality. Without this, companies that want to know what they have in common hand each other their customers' records. Here none " +
			"leaves its company in a form that another can read: the result is a few numbers, deliberately inexact, which serve planning and measurement but " +
			"not decisions about a person. Only declared columns are read, only customers covered by the purpose take part, and a fixed budget ends the questions."),
		{Table: risks},
		say("The risks that this node's own data shows are listed in the second section."),
	}}
}

func (r *record) forPeople() section {
	signed := &table{Caption: "Decision", Columns: []string{"Who", "Name", "Opinion or decision", "Date"}}
	for _, who := range []string{"Data-protection officer (advice, GDPR Art. 35(2))", "Controller (decision)", "Next review, at the latest"} {
		signed.Rows = append(signed.Rows, plains(who, "", "", ""))
	}
	return section{Title: "For people to complete", Law: "GDPR Art. 35(2), (9), 36; PIPL Art. 56", Blocks: []block{
		say("A node does not know the following. PIPL asks for this record to be kept for three years at least."),
		list(
			"Whether segments, dimensions or measures tell of health, beliefs, sex life, finances, minors or other special or sensitive data (GDPR Art. 9, 10; PIPL Art. 28), even indirectly.",
			"Whether the companies decide jointly on purposes and means, and what they have arranged then (GDPR Art. 26; PIPL Art. 20).",
			"In which countries the partners, the coordinator and the analysts are, and what safeguards hold there (GDPR Art. 44 to 49; PIPL Art. 38 to 40).",
			"For legitimate interests: the balance with those of the customers (GDPR Art. 6(1)(f)).",
			"What customers, or who speaks for them, think of it; and where they were told (sotto party policy writes the page).",
			"Whether a high risk remains, so that the supervisory authority must be consulted first (GDPR Art. 36).",
		),
		{Table: signed},
	}}
}
