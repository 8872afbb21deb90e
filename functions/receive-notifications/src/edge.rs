//! From a function URL's event to a request, and from the answer to the event's answer.
//!
//! Our own instead of `lambda_http::run`: that one panics where the raw query holds a character that has no place in
//! a URI (`?a=<`), or the body is not base64, and a stranger could so raise the alarm on failed invocations. Here,
//! what can't be read becomes a request that the receiver refuses.

use aws_lambda_events::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use data_encoding::BASE64;
use lambda_http::http::{Method, Uri};
use lambda_http::{Body, Request, RequestExt, Response};
use lambda_runtime::LambdaEvent;
use url::form_urlencoded;

use crate::Receiver;

/// Answers one event of the function URL.
pub async fn serve(
    receiver: &Receiver,
    event: LambdaEvent<LambdaFunctionUrlRequest>,
) -> LambdaFunctionUrlResponse {
    let request = request(event.payload).with_lambda_context(event.context);
    answer(&receiver.handle(request).await)
}

/// Headers and path stay behind: nothing in them is needed, and nothing to be trusted.
fn request(event: LambdaFunctionUrlRequest) -> Request {
    let method = event.request_context.http.method.unwrap_or_default();
    let mut request = Request::new(body(event.body.unwrap_or_default(), event.is_base64_encoded));
    // An unreadable method is none that is allowed.
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap_or(Method::TRACE);
    *request.uri_mut() = uri(&event.raw_query_string.unwrap_or_default());
    request
}

/// Decodes the query and encodes it again, which leaves only characters that a URI may hold. A query longer than the
/// 64 KiB of a URI is left out, and with it any claim to be a handshake.
fn uri(raw_query: &str) -> Uri {
    let pairs = form_urlencoded::parse(raw_query.as_bytes());
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    Uri::try_from(format!("/?{query}")).unwrap_or_default()
}

fn body(text: String, is_base64: bool) -> Body {
    if is_base64 {
        Body::Binary(BASE64.decode(text.as_bytes()).unwrap_or_default())
    } else {
        Body::Text(text)
    }
}

fn answer(response: &Response<Body>) -> LambdaFunctionUrlResponse {
    let mut answer = LambdaFunctionUrlResponse::default();
    answer.status_code = i64::from(response.status().as_u16());
    answer.headers.clone_from(response.headers());
    answer.body = Some(String::from_utf8_lossy(response.body()).into_owned());
    answer
}
