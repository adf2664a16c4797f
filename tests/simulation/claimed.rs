//! What claims know of the wages that they are about.

use std::collections::{BTreeMap, BTreeSet};

use crate::oracle::{Fact, Holds, text};

/// More than anybody owes: where the books say only that all was paid, not how much more.
const NO_END: i64 = 1 << 50;

/// A sum between two bounds, which are one where the books say it.
type Between = (i64, i64);

/// A wage as its own events tell it.
#[derive(Debug)]
struct Wage {
    amount: i64,
    paid: Between,
    /// What of its payments the worker says never came; none where a payment has come since that was said.
    disputed: Option<i64>,
}

/// One thing claimed, and what of its wage had been paid before.
#[derive(Debug)]
struct Item {
    wage: Option<String>,
    amount: i64,
    before: Between,
}

/// A claim as it was told of last.
#[derive(Debug)]
struct Claim {
    items: Vec<Item>,
    outstanding: i64,
    disputed: i64,
}

/// Wages, and the open claims about them.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    wages: BTreeMap<String, Wage>,
    claims: BTreeMap<String, Claim>,
    /// The claims that the commit which is being read may have changed.
    touched: BTreeSet<String>,
}

impl Claimed {
    pub(crate) fn learn(&mut self, fact: &Fact<'_>) -> Holds {
        match fact.name.split_once('.').map_or("", |(kind, _)| kind) {
            "wage" => self.learn_wage(fact),
            "claim" => self.learn_claim(fact),
            _ => Ok(()),
        }
    }

    /// A wage's paid sum follows from what it comes to and what is left.
    fn learn_wage(&mut self, fact: &Fact<'_>) -> Holds {
        let id = fact.id("wage")?;
        if matches!(fact.name, "wage.due" | "wage.presumed_due") {
            let amount = fact.sum("amount")?;
            self.wages.insert(id, Wage { amount, paid: (0, 0), disputed: Some(0) });
            return Ok(());
        }
        let Some(wage) = self.wages.get_mut(&id) else { return Ok(()) };
        let changes_paid = match fact.name {
            "wage.adjusted" => false,
            "wage.corrected" => {
                let was = std::mem::replace(&mut wage.amount, fact.sum("amount")?);
                was == wage.amount
            }
            "wage.paid" => {
                wage.disputed = wage.disputed.filter(|it| *it == 0);
                true
            }
            "wage.receipt_confirmed" | "wage.payment_contradicted" | "wage.payment_determined" => true,
            _ => return Ok(()),
        };
        if fact.name == "wage.adjusted" {
            wage.amount = fact.sum("amount")?;
        }
        wage.disputed = fact.data["disputed"].as_i64().or(wage.disputed);
        let told = match fact.sum("outstanding")? {
            0 => (wage.amount, NO_END),
            left => (wage.amount - left, wage.amount - left),
        };
        wage.paid = if changes_paid { told } else { (wage.paid.0.max(told.0), wage.paid.1.min(told.1)) };
        let paid = wage.paid;
        for (claim, it) in &mut self.claims {
            for item in it.items.iter_mut().filter(|it| it.wage.as_ref() == Some(&id)) {
                // What turned out never to have come was not there before the claim either.
                item.before = (item.before.0.min(paid.0), item.before.1.min(paid.1));
                self.touched.insert(claim.clone());
            }
        }
        Ok(())
    }

    fn learn_claim(&mut self, fact: &Fact<'_>) -> Holds {
        let id = fact.id("claim")?;
        match fact.name {
            "claim.registered" => {
                let mut items = Vec::new();
                for item in fact.data["items"].as_array().into_iter().flatten() {
                    let wage = text(item, "wage");
                    let known = wage.as_ref().and_then(|it| self.wages.get(it));
                    let amount = item["amount"].as_i64().ok_or("form: an item without a sum")?;
                    items.push(Item { amount, before: known.map_or((0, 0), |it| it.paid), wage });
                }
                let (outstanding, disputed) = (fact.sum("total")?, fact.sum("disputed")?);
                self.claims.insert(id.clone(), Claim { items, outstanding, disputed });
                self.touched.insert(id);
            }
            "claim.amount_changed" => {
                let claim = self.claims.get_mut(&id).ok_or_else(|| format!("10: {} of {id}", fact.name))?;
                (claim.outstanding, claim.disputed) = (fact.sum("outstanding")?, fact.sum("disputed")?);
                self.touched.insert(id);
            }
            "claim.closed" | "claim.withdrawn" => _ = self.claims.remove(&id),
            _ => {}
        }
        Ok(())
    }

    /// Invariant 10: What an open claim says is left, and what is disputed, follows from its wages once a commit has
    /// been read, whatever that commit told of them.
    pub(crate) fn i10_a_claim_knows_its_wages(&mut self) -> Holds {
        for id in std::mem::take(&mut self.touched) {
            let Some(claim) = self.claims.get(&id) else { continue };
            let mut left: Between = (0, 0);
            let mut disputed = Some(0);
            for item in &claim.items {
                let wage = item.wage.as_ref().and_then(|it| self.wages.get(it));
                let paid = wage.map_or(item.before, |it| it.paid);
                let since = ((paid.0 - item.before.1).max(0), (paid.1 - item.before.0).max(0));
                left.0 += (item.amount - since.1).max(0);
                left.1 += (item.amount - since.0).max(0);
                disputed = disputed.and_then(|sum: i64| Some(sum + wage.map_or(Some(0), |it| it.disputed)?));
            }
            if claim.outstanding < left.0 || left.1 < claim.outstanding {
                let said = claim.outstanding;
                return Err(format!("10: the claim {id} says {said} is left, its wages {left:?}"));
            }
            if let Some(disputed) = disputed.filter(|it| *it != claim.disputed) {
                let said = claim.disputed;
                return Err(format!("10: the claim {id} says {said} is disputed, its wages {disputed}"));
            }
        }
        Ok(())
    }
}
