package lab_test

import "strings"

// asked is a question of a lab file that the truth file knows nothing about: SQL that finds the truth in the parties'
// files, and the products that its answer is made of, as one works them out on paper.
//
// Who is in a but not in b is a − a·b; in either, a + b − a·b; in all that are said to be in c or d, but not in b, c·b and
// so on. Of two companies' customers, those of one alone are a + b − 2·a·b; of three's, a + b + c − 2·(ab + ac + bc) + 3·abc.
type asked struct {
	sql   string
	terms []term
}

// term is a product of vectors, or one party's count, that is added to the answer.
type term struct {
	coefficient float64
	parties     string  // separated by blanks
	split       float64 // how many of them are divided by dimensions
	group       string  // of the only cell that it is added to; "" for all cells
}

// names returns the parties of a term.
func (t term) names() []string { return strings.Fields(t.parties) }

// bySQL are the questions of examples/lab, by file and name.
var bySQL = map[string]map[string]asked{
	"telco": {
		"reach of phoneco and netco": {
			`SELECT count(*) FROM (SELECT person FROM phoneco UNION SELECT person FROM netco)`,
			[]term{{1, "phoneco", 0, ""}, {1, "netco", 0, ""}, {-1, "phoneco netco", 0, ""}},
		},
		"reach of all three": {
			`SELECT count(*) FROM (SELECT person FROM phoneco UNION SELECT person FROM netco UNION SELECT person FROM streamco)`,
			reachOfThree("phoneco", "netco", "streamco"),
		},
		"reach of phoneco and netco by netco.contract": {
			`SELECT coalesce(contract, 'unknown'), count(*)
			 FROM (SELECT person FROM phoneco UNION SELECT person FROM netco) LEFT JOIN netco USING (person) GROUP BY 1`,
			[]term{{1, "netco", 1, ""}, {1, "phoneco", 0, "unknown"}, {-1, "phoneco netco", 0, "unknown"}},
		},
		"churned phone customers without streaming": {
			`SELECT count(*) FROM phoneco WHERE churn = 'Yes' AND person NOT IN (SELECT person FROM streamco)`,
			[]term{{1, "phoneco", 0, ""}, {-1, "phoneco streamco", 0, ""}},
		},
		"streaming customers who churned at the phone, or may leave the net any month": {
			`SELECT count(*) FROM streamco LEFT JOIN phoneco USING (person) LEFT JOIN netco USING (person)
			 WHERE phoneco.churn = 'Yes' OR netco.contract = 'Month-to-month'`,
			eitherAndThird("phoneco", "netco", "streamco"),
		},
		"months of tenure of phone customers with internet, by contract": {
			`SELECT contract, sum(CASE tenure_band WHEN '0-5m' THEN 3 WHEN '6-11m' THEN 9 WHEN '12-23m' THEN 18
				WHEN '24-47m' THEN 36 WHEN '48m+' THEN 60 END)
			 FROM phoneco JOIN netco USING (person) GROUP BY 1`,
			[]term{{1, "phoneco netco", 1, ""}},
		},
		"mean charges for internet of churned phone customers, by age": {
			`SELECT age_band, avg(CASE charges_band WHEN '<30' THEN 20 WHEN '30-59' THEN 45 WHEN '60-89' THEN 75 WHEN '90+' THEN 105 END)
			 FROM phoneco JOIN netco USING (person) WHERE churn = 'Yes' GROUP BY 1`,
			[]term{{1, "phoneco netco", 1, ""}},
		},
		"people at risk, added up": {
			`SELECT (SELECT count(*) FROM phoneco WHERE churn = 'Yes') + (SELECT count(*) FROM netco WHERE contract = 'Month-to-month')
				+ (SELECT count(*) FROM streamco WHERE paperless_consent = 'No')`,
			[]term{{1, "phoneco", 0, ""}, {1, "netco", 0, ""}, {1, "streamco", 0, ""}},
		},
		"customers of one, two and three companies": {
			frequencySQL("phoneco", "netco", "streamco"),
			frequencyOfThree("phoneco", "netco", "streamco"),
		},
	},
	"adventureworks": {
		"bike buyers whom apparel may write to, by age": { // who does not consent in every row is no customer
			`SELECT age_band, count(*) FROM bikes JOIN (
				SELECT person FROM apparel_rows GROUP BY person HAVING sum(consent = 'yes') = count(*)) USING (person) GROUP BY 1`,
			[]term{{1, "bikes apparel", 1, ""}},
		},
		"reach of bikes and gear": {
			`SELECT count(*) FROM (SELECT person FROM bikes UNION SELECT person FROM gear)`,
			[]term{{1, "bikes", 0, ""}, {1, "gear", 0, ""}, {-1, "bikes gear", 0, ""}},
		},
		"reach of all three": {
			`SELECT count(*) FROM (SELECT person FROM bikes UNION SELECT person FROM gear UNION SELECT person FROM apparel)`,
			reachOfThree("bikes", "gear", "apparel"),
		},
		"reach of gear and bikes by bikes.region": {
			`SELECT coalesce(region, 'unknown'), count(*)
			 FROM (SELECT person FROM gear UNION SELECT person FROM bikes) LEFT JOIN bikes USING (person) GROUP BY 1`,
			[]term{{1, "bikes", 1, ""}, {1, "gear", 0, "unknown"}, {-1, "bikes gear", 0, "unknown"}},
		},
		"consenting apparel buyers without a bike": {
			`SELECT count(*) FROM apparel WHERE consent = 'yes' AND person NOT IN (SELECT person FROM bikes)`,
			[]term{{1, "apparel", 0, ""}, {-1, "bikes apparel", 0, ""}},
		},
		"consenting apparel buyers who bought a bike or own a home": {
			`SELECT count(*) FROM apparel LEFT JOIN bikes USING (person) LEFT JOIN gear USING (person)
			 WHERE consent = 'yes' AND (bikes.person IS NOT NULL OR home = 'owner')`,
			eitherAndThird("bikes", "gear", "apparel"),
		},
		"gear bought by bike buyers, by age": { // rows with the same address add up, then are clipped
			`SELECT age_band, sum(spent) FROM bikes JOIN (
				SELECT person, min(100, sum(CASE spend_band WHEN '<10' THEN 5 WHEN '10-39' THEN 25 WHEN '40-79' THEN 60 WHEN '80+' THEN 90 END)) AS spent
				FROM gear_rows GROUP BY person) USING (person) GROUP BY 1`,
			[]term{{1, "bikes gear", 1, ""}},
		},
		"mean spent on bikes by consenting apparel buyers": {
			`SELECT avg(CASE bikes.spend_band WHEN '<1000' THEN 500 WHEN '1000-1999' THEN 1500 WHEN '2000-3999' THEN 3000 WHEN '4000+' THEN 5000 END)
			 FROM bikes JOIN apparel USING (person) WHERE consent = 'yes'`,
			[]term{{1, "bikes apparel", 0, ""}},
		},
		"customers of the three shops, added up": {
			`SELECT (SELECT count(*) FROM bikes) + (SELECT count(*) FROM gear) + (SELECT count(*) FROM apparel)`,
			[]term{{1, "bikes", 0, ""}, {1, "gear", 0, ""}, {1, "apparel", 0, ""}},
		},
		"customers of one, two and three shops": {
			frequencySQL("bikes", "gear", "apparel"),
			frequencyOfThree("bikes", "gear", "apparel"),
		},
	},
	"febrl": {
		"reach of both clinics": {
			`SELECT count(*) FROM (SELECT person FROM clinic_a UNION SELECT person FROM clinic_b)`,
			[]term{{1, "clinic_a", 0, ""}, {1, "clinic_b", 0, ""}, {-1, "clinic_a clinic_b", 0, ""}},
		},
		"reach of both clinics by clinic_a.state": {
			`SELECT coalesce(state, 'unknown'), count(*)
			 FROM (SELECT person FROM clinic_a UNION SELECT person FROM clinic_b) LEFT JOIN clinic_a USING (person) GROUP BY 1`,
			[]term{{1, "clinic_a", 1, ""}, {1, "clinic_b", 0, "unknown"}, {-1, "clinic_a clinic_b", 0, "unknown"}},
		},
		"patients of clinic_a that clinic_b does not know": {
			`SELECT count(*) FROM clinic_a WHERE person NOT IN (SELECT person FROM clinic_b)`,
			[]term{{1, "clinic_a", 0, ""}, {-1, "clinic_a clinic_b", 0, ""}},
		},
		"patients in nsw according to one of the clinics alone": {
			`SELECT count(*) FROM (
				SELECT person FROM (SELECT person FROM clinic_a WHERE state = 'nsw' UNION ALL SELECT person FROM clinic_b WHERE state = 'nsw')
				GROUP BY person HAVING count(*) = 1)`,
			[]term{{1, "clinic_a", 0, ""}, {1, "clinic_b", 0, ""}, {-2, "clinic_a clinic_b", 0, ""}},
		},
		"years lived by patients of clinic_a that clinic_b does not know": {
			`SELECT sum(` + midAge + `) FROM clinic_a WHERE person NOT IN (SELECT person FROM clinic_b)`,
			[]term{{1, "clinic_a", 0, ""}, {-1, "clinic_a clinic_b", 0, ""}},
		},
		"mean age of patients of both clinics, by clinic_a.state": {
			`SELECT state, avg(` + midAge + `) FROM clinic_a WHERE person IN (SELECT person FROM clinic_b) GROUP BY 1`,
			[]term{{1, "clinic_a clinic_b", 1, ""}},
		},
		"patients of both clinics, added up": {
			`SELECT (SELECT count(*) FROM clinic_a) + (SELECT count(*) FROM clinic_b)`,
			[]term{{1, "clinic_a", 0, ""}, {1, "clinic_b", 0, ""}},
		},
		"patients of one and of two clinics": {
			frequencySQL("clinic_a", "clinic_b"),
			[]term{
				{1, "clinic_a", 0, "1"},
				{1, "clinic_b", 0, "1"},
				{-2, "clinic_a clinic_b", 0, "1"},
				{1, "clinic_a clinic_b", 0, "2"},
			},
		},
	},
}

// midAge is NULL for an unknown age.
const midAge = `CASE age_band WHEN '0-17' THEN 9 WHEN '18-24' THEN 21 WHEN '25-34' THEN 30 WHEN '35-44' THEN 40
	WHEN '45-54' THEN 50 WHEN '55-64' THEN 60 WHEN '65+' THEN 75 END`

func reachOfThree(a, b, c string) []term {
	return []term{
		{1, a, 0, ""},
		{1, b, 0, ""},
		{1, c, 0, ""},
		{-1, a + " " + b, 0, ""},
		{-1, a + " " + c, 0, ""},
		{-1, b + " " + c, 0, ""},
		{1, a + " " + b + " " + c, 0, ""},
	}
}

// eitherAndThird are the terms of (a || b) && c.
func eitherAndThird(a, b, c string) []term {
	return []term{{1, a + " " + c, 0, ""}, {1, b + " " + c, 0, ""}, {-1, a + " " + b + " " + c, 0, ""}}
}

func frequencyOfThree(a, b, c string) []term {
	pairs, all := []string{a + " " + b, a + " " + c, b + " " + c}, a+" "+b+" "+c
	terms := []term{{1, a, 0, "1"}, {1, b, 0, "1"}, {1, c, 0, "1"}, {3, all, 0, "1"}, {-3, all, 0, "2"}, {1, all, 0, "3"}}
	for _, pair := range pairs {
		terms = append(terms, term{-2, pair, 0, "1"}, term{1, pair, 0, "2"})
	}
	return terms
}

// frequencySQL counts people by how many tables they are in.
func frequencySQL(tables ...string) string {
	return `SELECT n, count(*) FROM (SELECT person, count(*) AS n FROM (
		SELECT person FROM ` + strings.Join(tables, ` UNION ALL SELECT person FROM `) + `) GROUP BY person) GROUP BY 1`
}
