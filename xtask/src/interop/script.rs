//! What a case says to an agent and waits for, as one line.
//!
//! Steps stand between semicolons. `< NAME KEY=VALUE …` waits for the event of that name whose fields have these values,
//! and passes over others. `wait MILLISECONDS` lets time pass. Anything else is typed; `call` and `options` get the
//! peer's URI, if none stands behind them.

use std::time::Duration;

use serde_json::Value;

use super::process::Program;

/// Plays the steps in their order.
pub(super) fn play(agent: &mut Program, script: &str, peer: &str) -> Result<(), String> {
    for step in script.split(';').map(str::trim).filter(|step| !step.is_empty()) {
        one(agent, step, peer).map_err(|error| format!("at `{step}`: {error}"))?;
    }
    Ok(())
}

fn one(agent: &mut Program, step: &str, peer: &str) -> Result<(), String> {
    if let Some(awaited) = step.strip_prefix("< ") {
        let mut words = awaited.split(' ');
        let name = words.next().unwrap_or_default();
        let fields: Vec<(&str, &str)> = words.filter_map(|word| word.split_once('=')).collect();
        return agent.event(name, |event| fits(event, &fields)).map(drop);
    }
    if let Some(time) = step.strip_prefix("wait ") {
        let time = time.parse().map_err(|_| "no number of milliseconds".to_owned())?;
        std::thread::sleep(Duration::from_millis(time));
        return Ok(());
    }
    match step {
        "call" | "options" => agent.say(&format!("{step} {peer}")),
        _ => agent.say(step),
    }
}

fn fits(event: &Value, fields: &[(&str, &str)]) -> bool {
    fields.iter().all(|(key, value)| match &event[key] {
        Value::String(text) => text == value,
        other => serde_json::from_str::<Value>(value).is_ok_and(|value| *other == value),
    })
}

/// Ends the agent, which has to be without a call by now.
pub(super) fn quit(agent: &mut Program) -> Result<(), String> {
    agent.say("quit")?;
    let done = agent.event("done", |_| true)?;
    if done["calls"] != 0 {
        return Err(format!("the agent has calls left: {done}"));
    }
    agent.exit_with(0)
}

#[cfg(test)]
mod unit {
    use super::*;

    /// Numbers and words are compared by their text; what is not named may be anything.
    #[test]
    fn fields() {
        let event: Value =
            serde_json::from_str(r#"{"event":"ended","cause":"rejected","status":486}"#).unwrap();
        assert!(fits(&event, &[("cause", "rejected"), ("status", "486")]) && fits(&event, &[]));
        assert!(!fits(&event, &[("status", "48")]) && !fits(&event, &[("reason", "x")]));
    }
}
