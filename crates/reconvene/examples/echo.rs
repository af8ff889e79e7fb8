//! Answers every message of a conference: the example of the README.

use reconvene::{Endpoint, EndpointConfig, Event, JoinOptions, McuType};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = EndpointConfig::new("sip:bot@example.com".parse()?)
        .with_server("tcp:127.0.0.1:5060".parse()?)
        .with_server("tcp:127.0.0.1:5061".parse()?);
    let endpoint = Endpoint::start(config).await?;
    let conference = endpoint.conference();
    let mut events = conference.events();
    conference.join(&std::env::args().nth(1).ok_or("which conference?")?, JoinOptions::default()).await?;
    conference.call(McuType::Im).await?;
    while let Some(event) = events.next().await {
        match event {
            Event::Message { from, text, .. } => drop(conference.say(&format!("{from} said: {text}"))),
            Event::State(change) => println!("{}: {} -> {}", change.transition, change.from, change.to),
            Event::Recovery(report) => println!("recovered from {} in {:?}", report.level, report.total),
            _ => {}
        }
    }
    Ok(())
}
